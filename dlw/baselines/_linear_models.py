"""Logistic and ridge regression on a matrix of features, dense or sparse, answering as an Outcome is laid out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from dlw.baselines._base import Ask

ITERATIONS = 100

Answering = Callable[[Any], np.ndarray]
"""From a matrix of features [N, F] to predictions."""


def logistic(matrix: Any, target: np.ndarray, ask: Ask) -> Answering:
    """Fit a logistic regression (C 1) to classes, or one to each label."""
    if ask.kind == "classes":
        return _one_logistic(matrix, target, ask.size)
    models = []
    for label_N in target.T:
        known = np.flatnonzero(label_N >= 0)
        models.append(_one_logistic(matrix[known], (label_N[known] > 0).astype(np.int64), 2))
    return lambda part: np.stack([model(part)[:, 1] for model in models], axis=1)


def _one_logistic(matrix: Any, target: np.ndarray, size: int) -> Answering:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    seen = np.unique(target)
    if len(seen) < 2:
        share = np.bincount(target, minlength=size) / max(len(target), 1)
        return lambda part: np.broadcast_to(share, (part.shape[0], size))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(max_iter=ITERATIONS).fit(matrix, target)

    def answer(part: Any) -> np.ndarray:
        probabilities = np.zeros((part.shape[0], size))
        probabilities[:, seen] = model.predict_proba(part)
        return probabilities

    return answer


def ridge(matrix: Any, target: np.ndarray, ask: Ask) -> Answering:
    """Fit a ridge regression (alpha 1); quantiles are those of what it leaves in training."""
    from sklearn.linear_model import Ridge

    truth_NT = np.asarray(target, np.float64)
    # The solver is fixed: `auto` picks a random one for sparse matrices.
    model = Ridge(alpha=1.0, solver="lsqr" if not isinstance(matrix, np.ndarray) else "cholesky").fit(matrix, truth_NT)

    def point(part: Any) -> np.ndarray:
        return np.asarray(model.predict(part), np.float64).reshape(part.shape[0], ask.size)

    if ask.kind == "values":
        return point
    spread_TQ = np.quantile(truth_NT - point(matrix), ask.levels, axis=0).T
    return lambda part: point(part)[:, :, None] + spread_TQ
