"""Counts of hits by class, for many resamples at once. Shape legend: N rows, K classes or labels, R resamples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dlw.metrics._weights import mean_where, ratio
from dlw.specs import Outcome


class Tally(NamedTuple):
    """Weighted counts by class, each [R, K]: rightly predicted, predicted, true, all of which the truth is known."""

    hit: np.ndarray
    predicted: np.ndarray
    actual: np.ndarray
    known: np.ndarray

    @property
    def present(self) -> np.ndarray:
        """Which classes occur in the truth or among the predictions [R, K]."""
        return (self.predicted + self.actual) > 0


def tally(outcome: Outcome, weight_RN: np.ndarray) -> Tally:
    """Count by class, by what the outcome decided; gaps of labels count nothing."""
    if outcome.kind == "labels":
        known_NL = outcome.target >= 0
        yes_NL, said_NL = outcome.target > 0, outcome.decision & known_NL
        flags = (yes_NL & said_NL, said_NL, yes_NL, known_NL)
        return Tally(*(weight_RN @ flags_NL.astype(np.float64) for flags_NL in flags))
    classes = outcome.prediction.shape[1]
    said_N, truth_N = outcome.decision, outcome.target
    right_N = said_N == truth_N

    def count(ids_N: np.ndarray, rows: np.ndarray | slice) -> np.ndarray:
        return np.stack([np.bincount(ids_N[rows], weight_N[rows], classes) for weight_N in weight_RN])

    hit_RK, said_RK, true_RK = count(truth_N, right_N), count(said_N, slice(None)), count(truth_N, slice(None))
    return Tally(hit_RK, said_RK, true_RK, np.broadcast_to(weight_RN.sum(1)[:, None], hit_RK.shape))


def true_rate(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return hits / true [R]; a class predicted though never true counts 0 in a mean and is NaN alone."""
    counts = tally(outcome, weight_RN)
    recall_RK = ratio(counts.hit, counts.actual)
    if is_binary(outcome):
        return recall_RK[:, outcome.positive]
    return mean_where(np.nan_to_num(recall_RK), counts.present)


def is_positive(outcome: Outcome) -> np.ndarray:
    """Say which rows `true_rate` looks at, bool [N]: of two classes those of the positive one."""
    if is_binary(outcome):
        return np.asarray(outcome.target == outcome.positive)
    return np.asarray((outcome.target >= 0).reshape(len(outcome.target), -1).any(1))


def is_binary(outcome: Outcome) -> bool:
    """Say whether the outcome is a choice of two classes, so that one of them is the positive one."""
    return outcome.kind == "classes" and outcome.prediction.shape[1] == 2
