"""What the metrics of numbers share. Shape legend: N rows, T targets, Q levels."""

from __future__ import annotations

import numpy as np

from dlw.specs import Outcome


def point(outcome: Outcome) -> np.ndarray:
    """Return the point answer [N, T]: the value itself, or the quantile whose level is nearest to 0.5."""
    if outcome.kind == "values":
        return outcome.prediction
    return outcome.prediction[..., int(np.argmin(np.abs(np.asarray(outcome.levels) - 0.5)))]
