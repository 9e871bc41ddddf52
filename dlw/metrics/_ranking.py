"""Metrics of an order by score, exact with ties and for many resamples at once.

The rows are sorted once; each resample is then a matter of cumulative sums over its weights.
Shape legend: N rows, G groups of equal score, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dlw.metrics._weights import mean_where, ratio
from dlw.specs import Outcome

Ranked = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(score_N, yes_N, weight_RN) -> [R]"""


def auroc(score_N: np.ndarray, yes_N: np.ndarray, weight_RN: np.ndarray) -> np.ndarray:
    """Return the share of (yes, no) pairs in the right order, ties counting half (Hanley and McNeil 1982)."""
    yes_RG, no_RG = _groups(score_N, yes_N, weight_RN)
    no_above_RG = no_RG.cumsum(1)
    no_below_RG = no_above_RG[:, -1:] - no_above_RG
    pairs_R = yes_RG.sum(1) * no_RG.sum(1)
    return ratio((yes_RG * (no_below_RG + 0.5 * no_RG)).sum(1), pairs_R)


def average_precision(score_N: np.ndarray, yes_N: np.ndarray, weight_RN: np.ndarray) -> np.ndarray:
    """Return the sum over thresholds of precision times the gain in recall, without interpolation."""
    yes_RG, found_RG, precision_RG = _curve(score_N, yes_N, weight_RN)
    return ratio((yes_RG * precision_RG).sum(1), found_RG[:, -1])


def precision_at_half_recall(score_N: np.ndarray, yes_N: np.ndarray, weight_RN: np.ndarray) -> np.ndarray:
    """Return the best precision of all thresholds that find at least half of the positives."""
    _, found_RG, precision_RG = _curve(score_N, yes_N, weight_RN)
    enough_RG = found_RG >= 0.5 * found_RG[:, -1:]
    best_R = np.where(enough_RG, precision_RG, 0.0).max(1)
    return np.where(found_RG[:, -1] > 0, best_R, np.nan)


def _curve(score_N: np.ndarray, yes_N: np.ndarray, weight_RN: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return, at each threshold, the positives that it adds, those found by then, and the precision, each [R, G]."""
    yes_RG, no_RG = _groups(score_N, yes_N, weight_RN)
    found_RG, taken_RG = yes_RG.cumsum(1), (yes_RG + no_RG).cumsum(1)
    return yes_RG, found_RG, np.divide(found_RG, taken_RG, out=np.zeros_like(found_RG), where=taken_RG > 0)


def by_class(ranked: Ranked, outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Apply a ranking metric: two classes by the positive one, more by the mean over one against the rest.

    The mean is over the classes or labels for which the metric is defined; gaps in labels are left out.
    """
    if not len(outcome.target):
        return np.full(len(weight_RN), np.nan)
    scores_NK = outcome.prediction
    if outcome.kind == "scores":
        values = [
            ranked(outcome.prediction[rows], outcome.target[rows] > 0, weight_RN[:, rows]) for rows in by_group(outcome)
        ]
        values_RG = np.stack(values, axis=1)
        return mean_where(values_RG, ~np.isnan(values_RG))
    if outcome.kind == "labels":
        values = [
            ranked(scores_NK[known, k], outcome.target[known, k] > 0, weight_RN[:, known])
            if (known := outcome.target[:, k] >= 0).any()
            else np.full(len(weight_RN), np.nan)
            for k in range(scores_NK.shape[1])
        ]
    else:
        classes = [outcome.positive] if scores_NK.shape[1] == 2 else range(scores_NK.shape[1])
        values = [ranked(scores_NK[:, k], outcome.target == k, weight_RN) for k in classes]
    values_RK = np.stack(values, axis=1)
    return mean_where(values_RK, ~np.isnan(values_RK))


def by_group(outcome: Outcome) -> list[np.ndarray]:
    """Return the row numbers of each group, in order; all rows where there are no groups."""
    if outcome.group is None:
        return [np.arange(len(outcome.target))]
    order_N = np.argsort(outcome.group, kind="stable")
    return np.split(order_N, np.flatnonzero(np.diff(outcome.group[order_N])) + 1)


def _groups(score_N: np.ndarray, yes_N: np.ndarray, weight_RN: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weight of yes and of no in each group of equal score [R, G], highest score first."""
    order_N = np.argsort(-score_N, kind="stable")
    sorted_N = score_N[order_N]
    starts_G = np.flatnonzero(np.concatenate([[True], sorted_N[1:] != sorted_N[:-1]]))
    weight_RN = weight_RN[:, order_N]
    yes_RN = weight_RN * yes_N[order_N]
    no_RN = weight_RN - yes_RN
    if len(starts_G) == len(score_N):
        return yes_RN, no_RN
    return np.add.reduceat(yes_RN, starts_G, axis=1), np.add.reduceat(no_RN, starts_G, axis=1)
