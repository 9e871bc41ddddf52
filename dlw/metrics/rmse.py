"""Root of the mean squared error in the target's units, averaged over targets."""

from __future__ import annotations

import numpy as np

from dlw.metrics._values import point
from dlw.specs import Outcome

KINDS = ("values", "quantiles")
HIGHER_IS_BETTER = False


def compute(outcome: Outcome, weight: np.ndarray | None) -> float:
    """Return the mean over targets of each target's root mean squared error."""
    if not len(outcome.target):
        return float("nan")
    squared_NT = (point(outcome) - outcome.target) ** 2
    return float(np.sqrt(np.average(squared_NT, axis=0, weights=weight)).mean())
