"""Share of true values between the lowest and the highest quantile; to be held against the levels."""

from __future__ import annotations

import numpy as np

from dlw.metrics._values import row_mean
from dlw.specs import Outcome

KINDS = ("quantiles", "forecast_quantiles")
HIGHER_IS_BETTER = True


def per_row(outcome: Outcome) -> np.ndarray:
    """Return the share of targets inside the outer quantiles [N]."""
    low, high = outcome.prediction[..., 0], outcome.prediction[..., -1]
    is_inside = ((outcome.target >= low) & (outcome.target <= high)).astype(np.float64)
    is_inside[np.isnan(outcome.target)] = np.nan
    return row_mean(is_inside)
