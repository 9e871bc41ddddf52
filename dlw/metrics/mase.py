"""Mean absolute error of a forecast over the mean absolute change in a season of training: below 1 beats repeating.

Hyndman and Koehler 2006, doi:10.1016/j.ijforecast.2006.03.001; needs the `season` of the target's field.
"""

from __future__ import annotations

import numpy as np

from dlw.metrics._values import FORECASTS, point, row_mean
from dlw.specs import Outcome

KINDS = FORECASTS
HIGHER_IS_BETTER = False


def per_row(outcome: Outcome) -> np.ndarray:
    """Return the scaled error [N], averaged over steps and columns; NaN where no season is known."""
    if not outcome.seasonal_error:
        return np.full(len(outcome.target), np.nan)
    error_NHC = np.abs(point(outcome) - outcome.target) / np.asarray(outcome.seasonal_error, np.float32)
    return row_mean(error_NHC)
