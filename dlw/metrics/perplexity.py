"""Perplexity: e to the nats per token; how many tokens one hesitates between."""

from __future__ import annotations

import numpy as np

from dlw.metrics._nats import TOKENS, per_unit
from dlw.specs import Outcome

KINDS = ("nats",)
HIGHER_IS_BETTER = False


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the metric under R sets of weights, float64 [R]."""
    return np.asarray(np.exp(per_unit(outcome, TOKENS, weight_RN)))
