"""Logistic or ridge regression on numbers, one-hot categories, pixels, resampled series, spectra (scikit-learn)."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from dlw.baselines._base import Answer, Ask
from dlw.baselines._features import Features, width
from dlw.baselines._rows import sample, told
from dlw.specs import Arrays

KINDS = ("classes", "labels", "values", "quantiles")
INPUTS = ("number", "category", "labels", "image", "series", "sound")

MAX_WORK = 200_000_000
"""Rows times features times classes that are fitted in a few seconds on one core."""
MIN_ROWS = 2000
MAX_ROWS = 100_000
MAX_PICTURES = 10_000
ITERATIONS = 100
CHUNK_ROWS = 4096


def predict(train: Arrays, target: np.ndarray, test: Arrays, ask: Ask) -> Answer:
    """Fit scikit-learn's LogisticRegression (C 1, at most 100 iterations) or Ridge (alpha 1)."""
    from threadpoolctl import threadpool_limits

    rows = sample(target, _limit(ask), ask.seed, has_classes=ask.kind == "classes")
    note = told(len(rows), ask.of_rows or len(target))
    chosen, target = {name: train[name][rows] for name in ask.specs}, target[rows]
    features = Features(chosen, ask.specs)
    # One thread: a product this small gains nothing from more, and loses tenfold when the cores are busy.
    with threadpool_limits(1):
        matrix = features(chosen)
        if ask.kind in ("classes", "labels"):
            answer, name = _logistic(matrix, target, ask), "logistic regression"
        else:
            answer, name = _ridge(matrix, target, ask), "ridge regression"
        total = len(next(iter(test.values())))
        parts = [
            answer(features({group: test[group][start : start + CHUNK_ROWS] for group in ask.specs}))
            for start in range(0, total, CHUNK_ROWS)
        ]
    return Answer(np.concatenate(parts), f"{name} on {note}")


def _limit(ask: Ask) -> int:
    most = MAX_PICTURES if any(spec.kind == "image" for spec in ask.specs.values()) else MAX_ROWS
    models = 1 if ask.kind in ("values", "quantiles") or ask.size == 2 else ask.size
    return min(max(MAX_WORK // (width(ask.specs) * models), MIN_ROWS), most)


def _logistic(matrix: Any, target: np.ndarray, ask: Ask) -> Any:
    if ask.kind == "classes":
        return _one_logistic(matrix, target, ask.size)
    models = []
    for label_N in target.T:
        known = np.flatnonzero(label_N >= 0)
        models.append(_one_logistic(matrix[known], (label_N[known] > 0).astype(np.int64), 2))
    return lambda part: np.stack([model(part)[:, 1] for model in models], axis=1)


def _one_logistic(matrix: Any, target: np.ndarray, size: int) -> Any:
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


def _ridge(matrix: Any, target: np.ndarray, ask: Ask) -> Any:
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
