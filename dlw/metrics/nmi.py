"""Normalised mutual information of clusters and hidden classes: 0 if one says nothing of the other, 1 if all.

Divided by the mean of the two entropies, as scikit-learn does it (Strehl and Ghosh 2002 take the geometric mean).
"""

from __future__ import annotations

import numpy as np

from dlw.metrics._partition import contingency
from dlw.metrics._weights import ratio
from dlw.specs import Outcome

KINDS = ("clusters",)
HIGHER_IS_BETTER = True


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the information [R]; of two partitions that each leave all rows together it is 1."""
    counts_RKC = contingency(outcome, weight_RN)
    total_R = counts_RKC.sum((1, 2))
    p_RKC = ratio(counts_RKC, total_R[:, None, None])
    cluster_R, class_R = _entropy(p_RKC.sum(2)), _entropy(p_RKC.sum(1))
    both_R = _entropy(p_RKC.reshape(len(p_RKC), -1))
    found_R = ratio(2 * (cluster_R + class_R - both_R), cluster_R + class_R)
    return np.where((cluster_R == 0) & (class_R == 0) & (total_R > 0), 1.0, found_R)


def _entropy(p_RP: np.ndarray) -> np.ndarray:
    logarithm_RP = np.log(p_RP, out=np.zeros_like(p_RP), where=p_RP > 0)
    return np.asarray(-(p_RP * logarithm_RP).sum(1))
