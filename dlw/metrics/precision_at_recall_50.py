"""Best precision of the thresholds that find at least half of the positives."""

from __future__ import annotations

from functools import partial

import numpy as np

from dlw.metrics._ranking import by_class, precision_at_recall
from dlw.metrics._weights import one
from dlw.specs import Outcome

KINDS = ("classes", "labels")
HIGHER_IS_BETTER = True


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the precision [R]; of more than two classes or of labels their mean."""
    return by_class(partial(precision_at_recall, recall=0.5), outcome, weight_RN)


def compute(outcome: Outcome, weight: np.ndarray | None) -> float:
    """Return the metric under row weights."""
    return float(resampled(outcome, one(weight, len(outcome.target)))[0])
