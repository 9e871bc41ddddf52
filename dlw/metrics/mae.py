"""Mean absolute error in the target's units, averaged over targets."""

from __future__ import annotations

import numpy as np

from dlw.metrics._values import point
from dlw.metrics._weights import mean
from dlw.specs import Outcome

KINDS = ("values", "quantiles")
HIGHER_IS_BETTER = False


def per_row(outcome: Outcome) -> np.ndarray:
    """Return the absolute error [N], averaged over targets."""
    return np.asarray(np.abs(point(outcome) - outcome.target).mean(1))


def compute(outcome: Outcome, weight: np.ndarray | None) -> float:
    """Return the weighted mean over rows."""
    return mean(per_row(outcome), weight)
