"""Mean negative logarithm of the probability given to the truth (cross-entropy), in nats."""

from __future__ import annotations

import numpy as np

from dlw.metrics._weights import ratio
from dlw.specs import Outcome

KINDS = ("classes", "labels")
HIGHER_IS_BETTER = False


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the mean over rows [R], of several labels the mean over all known entries."""
    p_NK = np.asarray(outcome.prediction, np.float64)
    if outcome.kind == "labels":
        known_NK = (outcome.target >= 0).astype(np.float64)
        p_NK = np.where(outcome.target > 0, p_NK, 1.0 - p_NK)
    else:
        known_NK = np.ones((len(p_NK), 1))
        p_NK = np.take_along_axis(p_NK, outcome.target[:, None], axis=1)
    # A probability of exactly 0 or 1 would cost infinity for one wrong row; scikit-learn stops at the same place.
    floor = float(np.finfo(outcome.prediction.dtype).eps)
    loss_N = (-np.log(np.clip(p_NK, floor, 1.0 - floor)) * known_NK).sum(1)
    return ratio(weight_RN @ loss_N, weight_RN @ known_NK.sum(1))
