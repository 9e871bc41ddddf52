"""How much nearer a row lies to its own cluster than to the next, among the standardised inputs: -1 to 1.

Rousseeuw 1987: (b - a) / max(a, b) with the mean distances a to the other rows of its cluster and b to those of the
nearest other one; 0 for a row that is alone. It needs no classes, and favours round clusters.
"""

from __future__ import annotations

import numpy as np

from dlw.metrics._neighbours import mean_of_known
from dlw.specs import Outcome

KINDS = ("clusters",)
HIGHER_IS_BETTER = True

ROWS_AT_ONCE = 512


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the mean [R]; all rows stay to lie among, whatever their weight; NaN where all are in one cluster."""
    return mean_of_known(_of_rows(outcome), weight_RN)


def _of_rows(outcome: Outcome) -> np.ndarray:
    """Return the silhouette of each row [N] in the whole that it is part of."""
    whole = outcome.whole or outcome
    assert whole.positions is not None
    positions_WD = np.asarray(whole.positions, np.float64)
    _, cluster_W = np.unique(whole.prediction.argmax(1), return_inverse=True)
    count_K = np.bincount(cluster_W)
    if len(count_K) < 2:
        return np.full(len(outcome.target), np.nan)
    member_WK = np.eye(len(count_K))[cluster_W]
    square_W = (positions_WD**2).sum(1)
    places = np.arange(len(outcome.target)) if outcome.places is None else outcome.places
    values = np.zeros(len(places))
    for start in range(0, len(places), ROWS_AT_ONCE):
        here = places[start : start + ROWS_AT_ONCE]
        square_nW = square_W[here, None] + square_W - 2 * positions_WD[here] @ positions_WD.T
        square_nW[np.arange(len(here)), here] = 0.0
        total_nK = np.sqrt(np.maximum(square_nW, 0.0)) @ member_WK
        own_n = cluster_W[here]
        others_n = count_K[own_n] - 1
        inside_n = total_nK[np.arange(len(here)), own_n] / np.maximum(others_n, 1)
        mean_nK = total_nK / count_K
        mean_nK[np.arange(len(here)), own_n] = np.inf
        outside_n = mean_nK.min(1)
        widest_n = np.maximum(np.maximum(inside_n, outside_n), 1e-300)
        values[start : start + len(here)] = np.where(others_n > 0, (outside_n - inside_n) / widest_n, 0.0)
    return values
