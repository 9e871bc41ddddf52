"""Mean pinball loss over the quantile levels, averaged over targets; of forecasts in deviations."""

from __future__ import annotations

import numpy as np

from dlw.metrics._values import pinball
from dlw.specs import Outcome

KINDS = ("quantiles", "forecast_quantiles")
HIGHER_IS_BETTER = False


def per_row(outcome: Outcome) -> np.ndarray:
    """Return max(q d, (q - 1) d) of the difference d [N], averaged over targets and levels."""
    return pinball(outcome)
