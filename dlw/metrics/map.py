"""Mean average precision of boxes over overlaps 0.5 to 0.95 (COCO's AP); of several classes the mean."""

from __future__ import annotations

import numpy as np

from dlw.metrics import _box_matches
from dlw.specs import Outcome

KINDS = ("boxes",)
HIGHER_IS_BETTER = True


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the metric [R]; classes without a true box are left out of the mean."""
    return _box_matches.average_precision(outcome, weight_RN, _box_matches.THRESHOLDS)
