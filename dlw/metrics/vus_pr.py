"""Volume under the precision-recall surface of a series: hits near an anomaly count in part, over several margins.

Paparrizos et al. 2022, doi:10.14778/3551793.3551830, section 4: labels fall off as sqrt(1 - distance / margin) within
half a margin of an anomaly, recall is multiplied by the share of anomalies that are touched, and the areas are averaged
over the margins. Nothing is point-adjusted.
Shape legend: N rows, G groups of equal score.
"""

from __future__ import annotations

import numpy as np

from dlw.metrics._ranking import by_group
from dlw.metrics._weights import one
from dlw.specs import Outcome

KINDS = ("scores",)
HIGHER_IS_BETTER = True

MARGINS = (0, 16, 32, 64, 128)
"""Steps; half of each lies before an anomaly and half after it."""


def compute(outcome: Outcome, weight: np.ndarray | None) -> float:
    """Return the mean over recordings that hold an anomaly, NaN where none does."""
    weight_N = one(weight, len(outcome.target))[0]
    place_N = np.arange(len(outcome.target)) if outcome.places is None else outcome.places
    volumes = []
    for rows in by_group(outcome):
        rows = rows[weight_N[rows] > 0]
        truth = outcome.target[rows] > 0
        if truth.any() and not truth.all():
            volumes.append(_volume(outcome.prediction[rows], truth, place_N[rows], weight_N[rows]))
    return float(np.mean(volumes)) if volumes else float("nan")


def _volume(score_N: np.ndarray, truth_N: np.ndarray, place_N: np.ndarray, weight_N: np.ndarray) -> float:
    strange = np.unique(place_N[truth_N])
    after_N = np.searchsorted(strange, place_N)
    near_N = np.stack([strange[np.clip(after_N - 1, 0, None)], strange[np.clip(after_N, None, len(strange) - 1)]])
    distance_N = np.abs(near_N - place_N).min(0)
    order_N = np.argsort(-score_N, kind="stable")
    areas = [_area(margin, distance_N, truth_N, place_N, weight_N, score_N, order_N) for margin in MARGINS]
    return float(np.mean(areas))


def _area(
    margin: int,
    distance_N: np.ndarray,
    truth_N: np.ndarray,
    place_N: np.ndarray,
    weight_N: np.ndarray,
    score_N: np.ndarray,
    order_N: np.ndarray,
) -> float:
    """Return the area under precision and recall by the trapezoidal rule in recall."""
    soft_N = truth_N.astype(np.float64)
    if margin:
        soft_N = np.where(distance_N <= margin // 2, np.sqrt(np.maximum(0, 1 - distance_N / margin)), 0.0)
    is_near = soft_N > 0
    by_place = np.argsort(place_N, kind="stable")
    starts = np.diff(is_near[by_place].astype(np.int8), prepend=0) == 1
    anomaly_N = np.zeros(len(place_N), np.int64)
    anomaly_N[by_place] = np.cumsum(starts)
    ordered = anomaly_N[order_N]
    touched_N = np.zeros(len(order_N))
    found = np.flatnonzero(is_near[order_N])
    touched_N[found[np.unique(ordered[found], return_index=True)[1]]] = 1.0
    last_G = np.flatnonzero(np.append(np.diff(score_N[order_N]) != 0, True))
    hits_G = (weight_N * soft_N)[order_N].cumsum()[last_G]
    taken_G = weight_N[order_N].cumsum()[last_G]
    exist_G = touched_N.cumsum()[last_G] / starts.sum()
    positives = ((weight_N * truth_N).sum() + (weight_N * soft_N).sum()) / 2
    recall_G = np.minimum(hits_G / positives, 1.0) * exist_G
    precision_G = hits_G / taken_G
    widths_G = np.diff(recall_G, prepend=0.0)
    return float((widths_G * (precision_G + np.concatenate([precision_G[:1], precision_G[:-1]])) / 2).sum())
