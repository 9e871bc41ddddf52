"""Nats per character: comparable between tokenizers, unlike nats per token."""

from __future__ import annotations

import numpy as np

from dlw.metrics._nats import CHARACTERS, per_unit
from dlw.specs import Outcome

KINDS = ("nats",)
HIGHER_IS_BETTER = False


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the metric under R sets of weights, float64 [R]."""
    return per_unit(outcome, CHARACTERS, weight_RN)
