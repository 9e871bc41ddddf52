"""Best precision of the thresholds that find at least half of the positives."""

from __future__ import annotations

import numpy as np

from dlw.metrics._ranking import by_class, precision_at_half_recall
from dlw.specs import Outcome

KINDS = ("classes", "labels")
HIGHER_IS_BETTER = True


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the precision [R]; of more than two classes or of labels their mean."""
    return by_class(precision_at_half_recall, outcome, weight_RN)
