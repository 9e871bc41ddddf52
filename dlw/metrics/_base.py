"""The contract of a metric: one number from predictions beside the truth.

A plug-in file holds a docstring, `KINDS` (the Outcome kinds it reads), `HIGHER_IS_BETTER`, and one of three functions:
`per_row(outcome) -> float64 [N]` when it is the plain mean of its rows, `resampled(outcome, weight_RN) -> float64 [R]`,
the metric under R sets of row weights (bootstrap counts) at once, or, slow in intervals,
`compute(outcome, weight: float64 [N] | None) -> float`. NaN is the honest answer where the metric is undefined (one
class only). Optional: `by_class(outcome, weight_RN) -> float64 [R, K]`, the metric of each class alone.
`counted(outcome) -> bool [N]` says which rows the metric looks at, where those are not all: few of them say little.
`drawn(outcome, weight_RN) -> float64 [R]` is what intervals are made of where a row that is drawn twice changes the
metric by being there twice; under weights of 1 it is the metric. `beside(outcome) -> str` says what a reader must know
of the rows to judge the figure. `NEEDS` is (package, extra) where a metric needs an optional package,
`signature() -> str` how it was computed in the terms of that package.
Everything is numpy; the tests hold each metric against scikit-learn.
Shape legend: N rows, K classes, L labels, T targets, Q levels, R resamples.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np

from dlw.metrics._weights import one
from dlw.specs import Outcome


def value_of(metric: ModuleType, outcome: Outcome, weight: np.ndarray | None = None) -> float:
    """Return a metric of an outcome under row weights [N], all 1 unless given; NaN where it is undefined."""
    if hasattr(metric, "per_row"):
        values_N = metric.per_row(outcome)
        return float(np.average(values_N, weights=weight)) if len(values_N) else float("nan")
    if hasattr(metric, "resampled"):
        return float(metric.resampled(outcome, one(weight, len(outcome.target)))[0])
    return float(metric.compute(outcome, weight))
