"""Overlap of each class, pixels in both over pixels in either, averaged over the classes that occur.

Pixels are counted over all pictures before dividing, as for PASCAL VOC and Cityscapes.
"""

from __future__ import annotations

import numpy as np

from dlw.metrics._pixels import count
from dlw.metrics._weights import mean_where, ratio
from dlw.specs import Outcome

KINDS = ("map",)
HIGHER_IS_BETTER = True


def by_class(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return hits / (predicted + true - hits) [R, K], NaN for a class that does not occur."""
    pixels = count(outcome, weight_RN)
    return ratio(pixels.hit, pixels.predicted + pixels.actual - pixels.hit)


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the mean over classes [R]."""
    iou_RK = by_class(outcome, weight_RN)
    return mean_where(np.nan_to_num(iou_RK), ~np.isnan(iou_RK))
