"""Ratios of sums over windows of text: nats over tokens, nats over characters. Shape legend: N windows, R resamples."""

from __future__ import annotations

import numpy as np

from dlw.specs import Outcome

TOKENS, CHARACTERS = 0, 1


def per_unit(outcome: Outcome, unit: int, weight_RN: np.ndarray | None) -> np.ndarray:
    """Return nats per token or character, float64 [R], under R sets of window weights (None: each once); NaN where
    there are none."""
    weight_RN = np.ones((1, len(outcome.prediction))) if weight_RN is None else weight_RN
    units_R = weight_RN @ outcome.target[:, unit]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(units_R > 0, weight_RN @ outcome.prediction / units_R, np.nan)
