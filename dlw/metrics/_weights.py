"""What the metrics share: row weights and honest ratios. Shape legend: N rows, R resamples."""

from __future__ import annotations

import numpy as np


def one(weight: np.ndarray | None, rows: int) -> np.ndarray:
    """Return weights as one resample [1, N]; no weights are ones."""
    return np.ones((1, rows)) if weight is None else np.asarray(weight, np.float64)[None]


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Divide; NaN where `below` is 0."""
    above, below = np.broadcast_arrays(np.asarray(above, np.float64), np.asarray(below, np.float64))
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below != 0)


def mean_where(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Average the last axis over the entries that count; NaN where none does."""
    return ratio(np.where(counted, values, 0.0).sum(-1), counted.sum(-1))
