"""Share of the known pixels whose class is right; by class, the share of its own pixels that are found."""

from __future__ import annotations

import numpy as np

from dlw.metrics._pixels import count
from dlw.metrics._weights import ratio
from dlw.specs import Outcome

KINDS = ("map",)
HIGHER_IS_BETTER = True


def by_class(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return hits / true [R, K], NaN for a class without pixels in the truth."""
    pixels = count(outcome, weight_RN)
    return ratio(pixels.hit, pixels.actual)


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return hits over known pixels [R]."""
    pixels = count(outcome, weight_RN)
    return ratio(pixels.hit.sum(1), pixels.actual.sum(1))
