"""Share of true values between the lowest and the highest quantile; to be held against the levels."""

from __future__ import annotations

import numpy as np

from dlw.metrics._weights import mean
from dlw.specs import Outcome

KINDS = ("quantiles",)
HIGHER_IS_BETTER = True


def per_row(outcome: Outcome) -> np.ndarray:
    """Return the share of targets inside the outer quantiles [N]."""
    low_NT, high_NT = outcome.prediction[..., 0], outcome.prediction[..., -1]
    return np.asarray(((outcome.target >= low_NT) & (outcome.target <= high_NT)).mean(1))


def compute(outcome: Outcome, weight: np.ndarray | None) -> float:
    """Return the weighted mean over rows."""
    return mean(per_row(outcome), weight)
