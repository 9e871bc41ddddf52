"""Mean absolute error as a share of the true value, averaged over targets."""

from __future__ import annotations

import numpy as np

from dlw.metrics._values import point
from dlw.specs import Outcome

KINDS = ("values", "quantiles")
HIGHER_IS_BETTER = False


def per_row(outcome: Outcome) -> np.ndarray:
    """Return |error| / |truth| [N], averaged over targets; a truth of 0 counts as 2.2e-16, as in scikit-learn."""
    size_NT = np.maximum(np.abs(outcome.target), np.finfo(np.float64).eps)
    return np.asarray((np.abs(point(outcome) - outcome.target) / size_NT).mean(1))
