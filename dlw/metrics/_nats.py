"""Ratios of sums over windows of text: nats over tokens, nats over characters. Shape legend: N windows, R resamples."""

from __future__ import annotations

import numpy as np

from dlw.metrics._weights import ratio
from dlw.specs import Outcome

TOKENS, CHARACTERS = 0, 1


def per_unit(outcome: Outcome, unit: int, weight_RN: np.ndarray) -> np.ndarray:
    """Return nats per token or character, float64 [R], under R sets of window weights; NaN where there are none."""
    return ratio(weight_RN @ outcome.prediction, weight_RN @ outcome.target[:, unit])
