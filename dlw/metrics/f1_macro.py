"""F1 of each class or label, averaged over those that occur in the truth or among the predictions."""

from __future__ import annotations

import numpy as np

from dlw.metrics._confusion import tally
from dlw.metrics._weights import mean_where, ratio
from dlw.specs import Outcome

KINDS = ("classes", "labels")
HIGHER_IS_BETTER = True


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the mean of 2 hits / (predicted + true) over classes [R]."""
    counts = tally(outcome, weight_RN)
    return mean_where(ratio(2 * counts.hit, counts.predicted + counts.actual), counts.present)
