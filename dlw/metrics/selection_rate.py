"""Share of the rows that are called positive; equal between groups is demographic parity. Of labels their mean.

Of more than two classes it is one over their number, whatever the answers.
"""

from __future__ import annotations

import numpy as np

from dlw.metrics._confusion import is_binary, tally
from dlw.metrics._weights import mean_where, ratio
from dlw.specs import Outcome

KINDS = ("classes", "labels")
HIGHER_IS_BETTER = True


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return predicted / known [R]."""
    counts = tally(outcome, weight_RN)
    share_RK = ratio(counts.predicted, counts.known)
    if is_binary(outcome):
        return share_RK[:, outcome.positive]
    return mean_where(np.nan_to_num(share_RK), ~np.isnan(share_RK))
