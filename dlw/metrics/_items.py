"""Where rankings hold the item that followed. Shape legend: N rows, R places."""

from __future__ import annotations

import numpy as np

from dlw.specs import Outcome

TOP = 10


def places(outcome: Outcome) -> np.ndarray:
    """Return the place of each row's item from 0, float64 [N]; infinity where the ranking does not hold it."""
    is_it_NR = (outcome.prediction == outcome.target[:, None]) & (outcome.target[:, None] >= 0)
    return np.where(is_it_NR.any(1), is_it_NR.argmax(1), np.inf)
