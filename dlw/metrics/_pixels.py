"""Counts of pixels by class, picture by picture, so that resampling pictures costs one matrix product.

Shape legend: N pictures, K classes, R resamples.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dlw.specs import VOID, Outcome


class Pixels(NamedTuple):
    """Weighted pixels by class, each [R, K]: rightly predicted, predicted, true; void pixels count nothing."""

    hit: np.ndarray
    predicted: np.ndarray
    actual: np.ndarray

    @property
    def present(self) -> np.ndarray:
        """Which classes occur in the truth or among the predictions [R, K]."""
        return (self.predicted + self.actual) > 0


def count(outcome: Outcome, weight_RN: np.ndarray) -> Pixels:
    """Count by class under R sets of picture weights."""
    classes = max(len(outcome.names), 2)
    counts_N3K = np.zeros((len(outcome.target), 3, classes))
    for place, (said_HW, truth_HW) in enumerate(zip(outcome.prediction, outcome.target, strict=True)):
        confusion_KK = confusion(said_HW, truth_HW, classes)
        counts_N3K[place] = confusion_KK.diagonal(), confusion_KK.sum(0), confusion_KK.sum(1)
    return Pixels(*np.einsum("rn,nck->crk", weight_RN, counts_N3K))


def confusion(said_HW: np.ndarray, truth_HW: np.ndarray, classes: int) -> np.ndarray:
    """Return how many known pixels of each true class (lines) are taken for each class (columns), int64 [K, K]."""
    is_known = truth_HW != VOID
    pairs = truth_HW[is_known].astype(np.int64) * classes + said_HW[is_known]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
