"""Mean over classes of the share of each class that is found (macro recall)."""

from __future__ import annotations

import numpy as np

from dlw.metrics._confusion import tally
from dlw.metrics._weights import mean_where, ratio
from dlw.specs import Outcome

KINDS = ("classes",)
HIGHER_IS_BETTER = True


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the mean over the classes that occur in the truth [R]."""
    counts = tally(outcome, weight_RN)
    return mean_where(ratio(counts.hit, counts.actual), counts.actual > 0)
