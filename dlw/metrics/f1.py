"""F1 of the positive class of two; of more classes or labels their mean."""

from __future__ import annotations

import numpy as np

from dlw.metrics._confusion import is_binary, tally
from dlw.metrics._weights import mean_where, ratio
from dlw.specs import Outcome

KINDS = ("classes", "labels")
HIGHER_IS_BETTER = True


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return 2 hits / (predicted + true) [R]."""
    counts = tally(outcome, weight_RN)
    f1_RK = ratio(2 * counts.hit, counts.predicted + counts.actual)
    return f1_RK[:, outcome.positive] if is_binary(outcome) else mean_where(f1_RK, counts.present)
