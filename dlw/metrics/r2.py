"""Share of the target's variance that is explained, averaged over targets; 0 is as good as the mean."""

from __future__ import annotations

import numpy as np

from dlw.metrics._values import point
from dlw.metrics._weights import ratio
from dlw.specs import Outcome

KINDS = ("values", "quantiles")
HIGHER_IS_BETTER = True


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return 1 - squared error / squared distance from the mean [R]; NaN where the truth is constant."""
    if not len(outcome.target):
        return np.full(len(weight_RN), np.nan)
    missed_RT = weight_RN @ ((point(outcome) - outcome.target) ** 2)
    centred_NT = outcome.target - outcome.target.mean(0)
    total_R1 = weight_RN.sum(1, keepdims=True)
    spread_RT = weight_RN @ centred_NT**2 - ratio((weight_RN @ centred_NT) ** 2, total_R1)
    is_constant_T = (centred_NT == 0).all(0)
    return np.asarray((1.0 - ratio(missed_RT, np.where(is_constant_T, 0.0, spread_RT))).mean(1))
