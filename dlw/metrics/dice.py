"""Dice coefficient of pixels (F1): of two classes, the positive one's; of more, the mean over those that occur.

Pixels are counted over all pictures before dividing.
"""

from __future__ import annotations

import numpy as np

from dlw.metrics._pixels import count
from dlw.metrics._weights import mean_where, ratio
from dlw.specs import Outcome

KINDS = ("map",)
HIGHER_IS_BETTER = True


def by_class(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return 2 hits / (predicted + true) [R, K], NaN for a class that does not occur."""
    pixels = count(outcome, weight_RN)
    return ratio(2 * pixels.hit, pixels.predicted + pixels.actual)


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the positive class's Dice, or the mean over classes, [R]."""
    dice_RK = by_class(outcome, weight_RN)
    if dice_RK.shape[1] == 2:
        return dice_RK[:, outcome.positive]
    return mean_where(np.nan_to_num(dice_RK), ~np.isnan(dice_RK))
