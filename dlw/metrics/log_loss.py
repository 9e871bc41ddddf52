"""Mean negative logarithm of the probability given to the truth (cross-entropy), in nats."""

from __future__ import annotations

import numpy as np

from dlw.specs import Outcome

KINDS = ("classes",)
HIGHER_IS_BETTER = False


def per_row(outcome: Outcome) -> np.ndarray:
    """Return the loss of each row [N]; probabilities are kept one float32 step away from 0."""
    floor = float(np.finfo(np.float32).eps)
    p_NK = np.clip(np.asarray(outcome.prediction, np.float64), floor, 1.0 - floor)
    p_N = p_NK[np.arange(len(p_NK)), outcome.target]
    return np.asarray(-np.log(p_N))


def compute(outcome: Outcome, weight: np.ndarray | None) -> float:
    """Return the weighted mean over rows."""
    return float(np.average(per_row(outcome), weights=weight)) if len(outcome.target) else float("nan")
