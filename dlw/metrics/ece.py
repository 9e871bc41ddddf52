"""Expected calibration error: confidence against accuracy over 15 bins of equal width (Guo et al. 2017)."""

from __future__ import annotations

import numpy as np

from dlw.metrics._weights import one, ratio
from dlw.specs import Outcome

KINDS = ("classes",)
HIGHER_IS_BETTER = False

NUM_BINS = 15


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the mean of |accuracy - confidence| over bins, each weighing its rows [R] (arXiv:1706.04599, eq. 3)."""
    confidence_N = np.asarray(outcome.prediction, np.float64).max(1)
    hit_N = outcome.prediction.argmax(1) == outcome.target
    bin_N = np.clip(np.ceil(confidence_N * NUM_BINS).astype(np.int64) - 1, 0, NUM_BINS - 1)
    gap_NB = np.zeros((len(bin_N), NUM_BINS))
    gap_NB[np.arange(len(bin_N)), bin_N] = hit_N - confidence_N
    return ratio(np.abs(weight_RN @ gap_NB).sum(1), weight_RN.sum(1))


def compute(outcome: Outcome, weight: np.ndarray | None) -> float:
    """Return the calibration error of the most probable class, in 0..1."""
    return float(resampled(outcome, one(weight, len(outcome.target)))[0])
