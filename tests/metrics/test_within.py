"""Scores within recordings: averages over those that hold both kinds of rows, and hits near an anomaly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dlw.metrics import auroc, average_precision, vus_pr
from dlw.metrics._base import value_of
from dlw.specs import Outcome


def outcome(score: list[float], truth: list[int], group: list[int]) -> Outcome:
    place = np.concatenate([np.arange(count) for count in np.bincount(group)])
    return Outcome("scores", np.array(score), np.array(truth, np.int64), group=np.array(group, np.int64), places=place)


def test_each_recording_is_ranked_by_itself() -> None:
    rows = outcome([0.1, 0.9, 10, 11, 5, 5], [0, 1, 1, 0, 0, 0], [0, 0, 1, 1, 2, 2])
    assert value_of(auroc, rows) == 0.5, "1 and 0; the third recording holds no anomaly"
    assert value_of(average_precision, rows) == 0.75
    assert value_of(average_precision, replace(rows, group=None)) < 0.75


def test_a_hit_beside_an_anomaly_counts_in_part() -> None:
    truth = [0] * 40 + [1] * 5 + [0] * 55
    exact = outcome([float(label) for label in truth], truth, [0] * 100)
    late = outcome([float(45 <= place < 50) for place in range(100)], truth, [0] * 100)
    lost = outcome([float(90 <= place < 95) for place in range(100)], truth, [0] * 100)
    values = [value_of(vus_pr, rows) for rows in (exact, late, lost)]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[1] + 0.1 > 2 * values[2]


@pytest.mark.parametrize("truth", [[0, 0, 0], [1, 1, 1]])
def test_one_kind_of_rows_is_undefined(truth: list[int]) -> None:
    assert np.isnan(value_of(vus_pr, outcome([1.0, 2.0, 3.0], truth, [0, 0, 0])))
