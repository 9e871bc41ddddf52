"""Adjusted Rand index: pairs of rows on which clusters and hidden classes agree, 0 by chance and 1 at best.

Hubert and Arabie 1985, equation 5. It counts pairs, so it is undefined for fewer than two rows of a known class.
"""

from __future__ import annotations

import numpy as np

from dlw.metrics._partition import contingency
from dlw.metrics._weights import ratio
from dlw.specs import Outcome

KINDS = ("clusters",)
HIGHER_IS_BETTER = True


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the index [R]; of two partitions that each leave all rows together it is 1."""
    counts_RKC = contingency(outcome, weight_RN)
    both_R = _pairs(counts_RKC).sum((1, 2))
    cluster_R, class_R = _pairs(counts_RKC.sum(2)).sum(1), _pairs(counts_RKC.sum(1)).sum(1)
    all_R = _pairs(counts_RKC.sum((1, 2)))
    expected_R = ratio(cluster_R * class_R, all_R)
    most_R = (cluster_R + class_R) / 2
    found_R = ratio(both_R - expected_R, most_R - expected_R)
    return np.where((most_R == expected_R) & (all_R > 0), 1.0, found_R)


def _pairs(count: np.ndarray) -> np.ndarray:
    return count * (count - 1) / 2
