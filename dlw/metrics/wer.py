"""Word error rate: edits that turn the answers into the truth, over the words of the truth; can exceed 1."""

from __future__ import annotations

import numpy as np

from dlw.metrics._edits import rate
from dlw.specs import Outcome

KINDS = ("texts",)
HIGHER_IS_BETTER = False


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the rate under R sets of row weights."""
    return rate(outcome, str.split, weight_RN)
