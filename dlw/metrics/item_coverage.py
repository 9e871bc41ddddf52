"""Share of all items that are among the first ten of somebody's ranking."""

from __future__ import annotations

import numpy as np

from dlw.metrics._items import TOP
from dlw.specs import Outcome

KINDS = ("ranking",)
HIGHER_IS_BETTER = True


def compute(outcome: Outcome, weight: np.ndarray | None) -> float:
    """Return the metric; a row's weight only says whether it is there."""
    rows = outcome.prediction if weight is None else outcome.prediction[weight > 0]
    top = rows[:, :TOP]
    return len(np.unique(top[top >= 0])) / len(outcome.counts) if len(rows) else float("nan")
