"""Answers by how sure they are, over 15 bins of equal width: what calibration is read from (Guo et al. 2017).

Labels count as choices between no and yes, one per known entry. Shape legend: N rows, M choices, B bins.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dlw.specs import Outcome

NUM_BINS = 15


class Sure(NamedTuple):
    """Of each choice the probability of the more probable answer, whether that is true, its bin, and its row [M]."""

    confidence: np.ndarray
    is_right: np.ndarray
    bin: np.ndarray
    row: np.ndarray


def sure(outcome: Outcome) -> Sure:
    """Return how sure every answer is; a threshold changes the decision, not what is probable."""
    choices = outcome.choices
    p_MK = np.asarray(choices.prediction, np.float64)
    confidence_M = p_MK.max(1, initial=0.0)
    is_right_M = choices.prediction.argmax(1) == choices.target
    bin_M = np.clip(np.ceil(confidence_M * NUM_BINS).astype(np.int64) - 1, 0, NUM_BINS - 1)
    rows = np.nonzero(outcome.target >= 0)[0] if outcome.kind == "labels" else np.arange(len(p_MK))
    return Sure(confidence_M, is_right_M, bin_M, rows)
