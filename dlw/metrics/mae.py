"""Mean absolute error in the target's units, of forecasts in training deviations, averaged over targets."""

from __future__ import annotations

import numpy as np

from dlw.metrics._values import FORECASTS, error, row_mean
from dlw.specs import Outcome

KINDS = ("values", "quantiles", *FORECASTS)
HIGHER_IS_BETTER = False


def per_row(outcome: Outcome) -> np.ndarray:
    """Return the absolute error [N], averaged over targets."""
    return row_mean(np.abs(error(outcome)))
