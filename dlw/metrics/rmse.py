"""Root of the mean squared error in the target's units, averaged over targets."""

from __future__ import annotations

import numpy as np

from dlw.metrics._values import point
from dlw.metrics._weights import ratio
from dlw.specs import Outcome

KINDS = ("values", "quantiles")
HIGHER_IS_BETTER = False


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the mean over targets of each target's root mean squared error [R]."""
    squared_NT = (point(outcome) - outcome.target) ** 2
    return np.asarray(np.sqrt(ratio(weight_RN @ squared_NT, weight_RN.sum(1, keepdims=True))).mean(1))
