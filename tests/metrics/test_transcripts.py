"""Character and word error rates are those of torchmetrics, and edits equal the plain recursion."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from dlw.metrics import cer, wer
from dlw.metrics._base import value_of
from dlw.metrics._edits import distance
from dlw.specs import Outcome


def test_rates_equal_those_of_torchmetrics() -> None:
    """The example and the values of torchmetrics' documentation (char_error_rate, word_error_rate)."""
    answers = np.array(["this is the prediction", "there is an other sample"], object)
    truth = np.array(["this is the reference", "there is another one"], object)
    outcome = Outcome("texts", answers, truth)
    assert value_of(cer, outcome) == pytest.approx(0.3415, abs=5e-5)
    assert value_of(wer, outcome) == pytest.approx(0.5)


def test_without_truth_there_is_no_rate() -> None:
    assert np.isnan(value_of(cer, Outcome("texts", np.array(["a"], object), np.array([""], object))))


@pytest.mark.parametrize("seed", range(20))
def test_distance_equals_the_recursion(seed: int) -> None:
    rng = np.random.default_rng(seed)
    left, right = ("".join(rng.choice(list("abc"), rng.integers(0, 9))) for _ in range(2))

    @cache
    def plain(i: int, j: int) -> int:
        if min(i, j) == 0:
            return max(i, j)
        swap = plain(i - 1, j - 1) + (left[i - 1] != right[j - 1])
        return min(plain(i - 1, j) + 1, plain(i, j - 1) + 1, swap)

    assert distance(left, right) == plain(len(left), len(right))
