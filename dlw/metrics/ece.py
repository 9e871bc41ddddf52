"""Expected calibration error: confidence against accuracy over 15 bins of equal width (Guo et al. 2017)."""

from __future__ import annotations

import numpy as np

from dlw.metrics._bins import NUM_BINS, sure
from dlw.metrics._weights import ratio
from dlw.specs import Outcome

KINDS = ("classes", "labels")
HIGHER_IS_BETTER = False


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the mean of |accuracy - confidence| over bins, each weighing its rows [R] (arXiv:1706.04599, eq. 3)."""
    found = sure(outcome)
    gap_NB = np.zeros((len(outcome.target), NUM_BINS))
    np.add.at(gap_NB, (found.row, found.bin), found.is_right - found.confidence)
    count_N = np.bincount(found.row, minlength=len(outcome.target))
    return ratio(np.abs(weight_RN @ gap_NB).sum(1), weight_RN @ count_N)
