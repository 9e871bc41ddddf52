"""Counts of hits by class, for many resamples at once. Shape legend: N rows, K classes or labels, R resamples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dlw.specs import Outcome


class Tally(NamedTuple):
    """Weighted counts by class, each [R, K]: rightly predicted, predicted, true."""

    hit: np.ndarray
    predicted: np.ndarray
    actual: np.ndarray

    @property
    def present(self) -> np.ndarray:
        """Which classes occur in the truth or among the predictions [R, K]."""
        return (self.predicted + self.actual) > 0


def tally(outcome: Outcome, weight_RN: np.ndarray) -> Tally:
    """Count by class; several labels are decided at probability 0.5 and gaps count nothing."""
    if outcome.kind == "labels":
        known_NL = outcome.target >= 0
        yes_NL, said_NL = outcome.target > 0, (outcome.prediction >= 0.5) & known_NL
        hit, said, yes = (weight_RN @ flags.astype(np.float64) for flags in (yes_NL & said_NL, said_NL, yes_NL))
        return Tally(hit, said, yes)
    classes = outcome.prediction.shape[1]
    best_N, truth_N = outcome.prediction.argmax(1), outcome.target
    right_N = best_N == truth_N

    def count(ids_N: np.ndarray, rows: np.ndarray | slice) -> np.ndarray:
        return np.stack([np.bincount(ids_N[rows], weight_N[rows], classes) for weight_N in weight_RN])

    return Tally(count(truth_N, right_N), count(best_N, slice(None)), count(truth_N, slice(None)))


def is_binary(outcome: Outcome) -> bool:
    """Say whether the outcome is a choice of two classes, so that one of them is the positive one."""
    return outcome.kind == "classes" and outcome.prediction.shape[1] == 2
