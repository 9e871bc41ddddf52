"""Mean squared distance of the probabilities from the truth (Brier 1950), of two classes for the positive one only."""

from __future__ import annotations

import numpy as np

from dlw.specs import Outcome

KINDS = ("classes",)
HIGHER_IS_BETTER = False


def per_row(outcome: Outcome) -> np.ndarray:
    """Return each row's squared distance [N]: in 0..1 for two classes, in 0..2 (summed over classes) for more."""
    p_NK = np.asarray(outcome.prediction, np.float64)
    if p_NK.shape[1] == 2:
        return np.asarray((p_NK[:, outcome.positive] - (outcome.target == outcome.positive)) ** 2)
    true_N = np.take_along_axis(p_NK, outcome.target[:, None], axis=1)[:, 0]
    return np.asarray((p_NK**2).sum(1) - 2.0 * true_N + 1.0)
