"""The last value of each channel, again and again."""

from __future__ import annotations

import numpy as np

from dlw.baselines._base import Answer, Ask
from dlw.baselines._naive import repeated
from dlw.specs import Arrays

KINDS = ("forecast", "forecast_quantiles")
INPUTS = ("series", "number", "category")


def predict(train: Arrays, target: np.ndarray, test: Arrays, ask: Ask) -> Answer:
    """Answer with the last known value."""
    return repeated(train, target, test, ask, 1, "the last value")
