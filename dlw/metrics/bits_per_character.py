"""Bits per character: the length of the text if the network compressed it."""

from __future__ import annotations

import numpy as np

from dlw.metrics._nats import CHARACTERS, per_unit
from dlw.specs import Outcome

KINDS = ("nats",)
HIGHER_IS_BETTER = False


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the metric under R sets of weights, float64 [R]."""
    return per_unit(outcome, CHARACTERS, weight_RN) / np.log(2)
