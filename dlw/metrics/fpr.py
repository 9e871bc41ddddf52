"""False positive rate: share of the true negatives that are called positive; of classes or labels their mean."""

from __future__ import annotations

import numpy as np

from dlw.metrics._confusion import is_binary, tally
from dlw.metrics._weights import mean_where, ratio
from dlw.specs import Outcome

KINDS = ("classes", "labels")
HIGHER_IS_BETTER = False


def counted(outcome: Outcome) -> np.ndarray:
    """Say which rows the metric looks at, bool [N]: of two classes those of the negative one."""
    if is_binary(outcome):
        return np.asarray(outcome.target != outcome.positive)
    return np.asarray((outcome.target >= 0).reshape(len(outcome.target), -1).any(1))


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return (predicted - hits) / (known - true) [R]; of more than two classes each against the rest."""
    counts = tally(outcome, weight_RN)
    fpr_RK = ratio(counts.predicted - counts.hit, counts.known - counts.actual)
    if is_binary(outcome):
        return fpr_RK[:, outcome.positive]
    return mean_where(np.nan_to_num(fpr_RK), ~np.isnan(fpr_RK))
