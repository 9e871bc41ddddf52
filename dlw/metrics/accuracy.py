"""Share of rows that are given their true class: the most probable one, or the one that a threshold decides for."""

from __future__ import annotations

import numpy as np

from dlw.metrics._weights import mean
from dlw.specs import Outcome

KINDS = ("classes",)
HIGHER_IS_BETTER = True


def per_row(outcome: Outcome) -> np.ndarray:
    """Return 1 for a hit and 0 for a miss, [N]."""
    return (outcome.decision == outcome.target).astype(np.float64)


def compute(outcome: Outcome, weight: np.ndarray | None) -> float:
    """Return the weighted share of hits."""
    return mean(per_row(outcome), weight)
