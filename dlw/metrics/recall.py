"""Share of the true positives that are found; of more than two classes or of labels their mean."""

from __future__ import annotations

import numpy as np

from dlw.metrics._confusion import is_positive, true_rate
from dlw.metrics._weights import one
from dlw.specs import Outcome

KINDS = ("classes", "labels")
HIGHER_IS_BETTER = True

counted = is_positive
resampled = true_rate


def compute(outcome: Outcome, weight: np.ndarray | None) -> float:
    """Return the metric under row weights."""
    return float(resampled(outcome, one(weight, len(outcome.target)))[0])
