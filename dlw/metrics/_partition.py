"""Clusters against hidden classes: how many rows fall into each pair, for many resamples at once.

Shape legend: N rows, K clusters, C classes, R resamples.
"""

from __future__ import annotations

import numpy as np

from dlw.specs import Outcome


def contingency(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the weight of the rows in each cluster of each class [R, K, C]; rows of no known class are left out."""
    is_known_N = outcome.target >= 0
    clusters = outcome.prediction.shape[1]
    names_C, class_M = np.unique(outcome.target[is_known_N], return_inverse=True)
    pair_M = outcome.prediction[is_known_N].argmax(1) * len(names_C) + class_M
    size = clusters * len(names_C)
    counts_RP = np.stack([np.bincount(pair_M, weight_M, size) for weight_M in weight_RN[:, is_known_N]])
    return counts_RP.reshape(len(weight_RN), clusters, len(names_C))
