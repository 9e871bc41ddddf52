"""Bootstrap intervals: known widths, paired differences, and the same draws for the same seed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dlw import registry
from dlw.metrics._base import value_of
from dlw.specs import Outcome
from dlw.verbs import _intervals

METRICS = {name: registry.load("metrics", name) for name in ("accuracy", "auroc", "f1_macro")}


def coin(rows: int, share: float, seed: int) -> Outcome:
    """Two classes, right with the given chance."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, rows)
    said = np.where(rng.random(rows) < share, target, 1 - target)
    return Outcome("classes", np.eye(2)[said] * 0.8 + 0.1, target)


def test_an_accuracys_interval_is_the_binomial_one() -> None:
    """About 1.96 standard deviations of a mean to each side."""
    found = _intervals.score(coin(2000, 0.8, 0), METRICS, 2000, 1)["accuracy"]
    deviation = 1.96 * math.sqrt(0.8 * 0.2 / 2000)
    assert found.high - found.value == pytest.approx(deviation, rel=0.1)
    assert found.value - found.low == pytest.approx(deviation, rel=0.1)


def test_every_draw_equals_the_metric_on_the_drawn_rows() -> None:
    """The cheap forms (means, all draws at once) and the slow one agree on every single draw."""
    outcome, rows = coin(60, 0.7, 0), 60
    drawn = _intervals.resample({"net": outcome}, METRICS, 5, 3)["net"]
    rng = np.random.default_rng(3)
    for place in range(5):
        taken = outcome.take(rng.integers(0, rows, rows))
        for name, module in METRICS.items():
            assert drawn[name][place] == pytest.approx(value_of(module, taken), rel=1e-12)


def test_predictors_share_their_draws_however_the_draws_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """The difference of a predictor from itself is 0 on every draw; memory limits change nothing."""
    outcomes = {"a": coin(50, 0.7, 0), "b": coin(50, 0.7, 0)}
    whole = _intervals.resample(outcomes, METRICS, 20, 0)
    monkeypatch.setattr(_intervals, "CHUNK_ENTRIES", 150)
    pieces = _intervals.resample(outcomes, METRICS, 20, 0)
    for name in METRICS:
        assert np.array_equal(whole["a"][name], whole["b"][name])
        assert np.allclose(whole["a"][name], pieces["a"][name], rtol=1e-12)


def test_undefined_draws_are_left_out_and_no_draws_give_no_interval() -> None:
    """One positive among 20 rows is missing from a third of the draws."""
    outcome = Outcome("classes", np.tile([[0.4, 0.6]], (20, 1)), (np.arange(20) == 0).astype(np.int64))
    drawn = _intervals.resample({"": outcome}, METRICS, 200, 0)[""]["auroc"]
    assert 20 < np.isnan(drawn).sum() < 120
    assert _intervals.interval(0.5, drawn) == _intervals.Interval(0.5, 0.5, 0.5)
    assert math.isnan(_intervals.score(outcome, METRICS, 0, 0)["auroc"].low)
