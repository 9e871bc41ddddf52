"""map and map50 equal a reference COCO evaluator, plain and weighted, ties and crowded pictures included."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dlw.metrics import _box_matches, map, map50
from dlw.metrics._base import value_of
from dlw.specs import Outcome
from tests.metrics.coco import coco_scores, random_boxes


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("digits", [1, 6])
def test_equals_the_reference(seed: int, digits: int) -> None:
    rows = random_boxes(seed, digits=digits)
    assert (value_of(map, rows), value_of(map50, rows)) == pytest.approx(coco_scores(rows), abs=1e-6)


def test_only_the_best_hundred_of_a_class_count() -> None:
    rows = random_boxes(3, pictures=3, objects=300, classes=1)
    assert (rows.prediction[..., 0] >= 0).sum(1).max() > 100
    assert (value_of(map, rows), value_of(map50, rows)) == pytest.approx(coco_scores(rows), abs=1e-6)


def test_weights_equal_the_reference_on_repeated_pictures() -> None:
    rows = random_boxes(1, digits=6)  # the reference lets copies of tied scores take turns
    weight = np.random.default_rng(0).multinomial(12, np.ones(12) / 12).astype(np.float64)
    repeated = rows.take(np.repeat(np.arange(12), weight.astype(int)))
    assert value_of(map, rows, weight) == pytest.approx(coco_scores(repeated)[0], abs=1e-6)


def test_many_pictures_are_matched_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = random_boxes(2)
    whole = value_of(map, rows)
    monkeypatch.setattr(_box_matches, "PICTURES_AT_ONCE", 5)
    assert value_of(map, rows) == whole


def test_perfect_answers_score_one_and_no_boxes_nothing() -> None:
    rows = random_boxes(0)
    perfect = np.concatenate([rows.target, np.ones((*rows.target.shape[:2], 1), np.float32)], axis=2)
    assert value_of(map, Outcome("boxes", perfect, rows.target)) == 1.0
    none = np.full_like(rows.target, -1)
    assert math.isnan(value_of(map, Outcome("boxes", rows.prediction, none)))
