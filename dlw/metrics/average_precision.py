"""Area under the precision-recall curve as a sum of steps; of more classes or labels their mean."""

from __future__ import annotations

import numpy as np

from dlw.metrics import _ranking
from dlw.specs import Outcome

KINDS = ("classes", "labels", "scores")
HIGHER_IS_BETTER = True


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the average precision [R] of the positive class; classes without a positive are left out of the mean."""
    return _ranking.by_class(_ranking.average_precision, outcome, weight_RN)
