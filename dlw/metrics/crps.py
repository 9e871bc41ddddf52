"""Continuous ranked probability score of quantiles: twice the mean pinball loss over the levels, an approximation.

Gneiting and Ranjan 2011, doi:10.1198/jbes.2010.08110, equation 17; exact for evenly spaced levels without end.
"""

from __future__ import annotations

import numpy as np

from dlw.metrics._values import pinball
from dlw.specs import Outcome

KINDS = ("quantiles", "forecast_quantiles")
HIGHER_IS_BETTER = False


def per_row(outcome: Outcome) -> np.ndarray:
    """Return the score of each row [N], averaged over targets."""
    return 2 * pinball(outcome)
