"""Share of rows that are given their true class: the most probable one, or the one that a threshold decides for."""

from __future__ import annotations

import numpy as np

from dlw.specs import Outcome

KINDS = ("classes",)
HIGHER_IS_BETTER = True


def per_row(outcome: Outcome) -> np.ndarray:
    """Return 1 for a hit and 0 for a miss, [N]."""
    return (outcome.decision == outcome.target).astype(np.float64)
