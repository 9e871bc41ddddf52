"""What wrong decisions cost: the mean over rows, or over the known entries of labels.

A false positive and a false negative cost what the task states; without that, and of more than two classes, each wrong
decision costs 1.
"""

from __future__ import annotations

import numpy as np

from dlw.metrics._confusion import is_binary
from dlw.metrics._weights import ratio
from dlw.specs import Outcome

KINDS = ("classes", "labels")
HIGHER_IS_BETTER = False


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the mean cost [R]."""
    if outcome.kind == "labels":
        known_NL, yes_NL, said_NL = outcome.target >= 0, outcome.target > 0, outcome.decision
        cost_NL = np.where(said_NL, outcome.costs[0], outcome.costs[1]) * (said_NL != yes_NL) * known_NL
        return ratio(weight_RN @ cost_NL.sum(1), weight_RN @ known_NL.sum(1))
    cost_N = (outcome.decision != outcome.target).astype(np.float64)
    if is_binary(outcome):
        cost_N *= np.where(outcome.target == outcome.positive, outcome.costs[1], outcome.costs[0])
    return ratio(weight_RN @ cost_N, weight_RN.sum(1))
