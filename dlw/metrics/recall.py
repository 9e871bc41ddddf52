"""Share of the true positives that are found; of more than two classes or of labels their mean."""

from __future__ import annotations

import numpy as np

from dlw.metrics._confusion import is_binary, tally
from dlw.metrics._weights import mean_where, one, ratio
from dlw.specs import Outcome

KINDS = ("classes", "labels")
HIGHER_IS_BETTER = True


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return hits / true [R]; a class predicted though never true counts 0 in a mean and is NaN alone."""
    counts = tally(outcome, weight_RN)
    recall_RK = ratio(counts.hit, counts.actual)
    if is_binary(outcome):
        return recall_RK[:, outcome.positive]
    return mean_where(np.nan_to_num(recall_RK), counts.present)


def compute(outcome: Outcome, weight: np.ndarray | None) -> float:
    """Return the metric under row weights."""
    return float(resampled(outcome, one(weight, len(outcome.target)))[0])
