"""Share of the predicted positives that are right; of more than two classes or of labels their mean."""

from __future__ import annotations

import numpy as np

from dlw.metrics._confusion import is_binary, tally
from dlw.metrics._weights import mean_where, ratio
from dlw.specs import Outcome

KINDS = ("classes", "labels")
HIGHER_IS_BETTER = True


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return hits / predicted [R]; a class never predicted though true counts 0 in a mean and is NaN alone."""
    counts = tally(outcome, weight_RN)
    precision_RK = ratio(counts.hit, counts.predicted)
    if is_binary(outcome):
        return precision_RK[:, outcome.positive]
    return mean_where(np.nan_to_num(precision_RK), counts.present)
