"""Mean pinball loss over the quantile levels, in the target's units, averaged over targets."""

from __future__ import annotations

import numpy as np

from dlw.metrics._weights import mean
from dlw.specs import Outcome

KINDS = ("quantiles",)
HIGHER_IS_BETTER = False


def per_row(outcome: Outcome) -> np.ndarray:
    """Return max(q d, (q - 1) d) of the difference d [N], averaged over targets and levels."""
    level_Q = np.asarray(outcome.levels)
    difference_NTQ = outcome.target[:, :, None] - outcome.prediction
    return np.asarray(np.maximum(level_Q * difference_NTQ, (level_Q - 1.0) * difference_NTQ).mean((1, 2)))


def compute(outcome: Outcome, weight: np.ndarray | None) -> float:
    """Return the weighted mean over rows."""
    return mean(per_row(outcome), weight)
