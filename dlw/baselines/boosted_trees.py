"""Gradient boosted trees on the columns of a table (scikit-learn's HistGradientBoosting with its defaults)."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlw.baselines._base import Answer, Ask
from dlw.baselines._rows import sample, told
from dlw.specs import Arrays

KINDS = ("classes", "labels", "values", "quantiles")
INPUTS = ("number", "category", "labels")

MAX_CATEGORIES = 255
"""HistGradientBoosting splits sets of at most 255 values; larger columns are split by the order of their ids."""
MAX_WORK = 4_000_000
"""Rows times models (classes, labels, targets, levels)."""
MIN_ROWS = 5000


def predict(train: Arrays, target: np.ndarray, test: Arrays, ask: Ask) -> Answer:
    """Fit one HistGradientBoosting model, or one for each label, target and level; gaps stay gaps."""
    from threadpoolctl import threadpool_limits

    models = (1 if ask.kind == "classes" and ask.size == 2 else ask.size) * max(len(ask.levels), 1)
    rows = sample(target, max(MAX_WORK // models, MIN_ROWS), ask.seed, has_classes=ask.kind == "classes")
    matrix, probe = _matrix({name: train[name][rows] for name in ask.specs}, ask), _matrix(test, ask)
    fit = {"classes": _classes, "labels": _labels, "values": _values, "quantiles": _quantiles}[ask.kind]
    # One thread: OpenMP's waiting threads made a fit of 0.3 s take a minute on cores that were busy.
    with threadpool_limits(1):
        answer = fit(matrix, target[rows], probe, ask)
    note = f"boosted trees on {told(len(rows), ask.of_rows or len(target))}"
    return Answer(answer, note)


def _matrix(arrays: Arrays, ask: Ask) -> np.ndarray:
    blocks = []
    for name, spec in ask.specs.items():
        block = arrays[name].astype(np.float64)
        if spec.kind == "category":
            block[block == 0] = np.nan
        blocks.append(block)
    return np.concatenate(blocks, axis=1)


def _options(ask: Ask) -> dict[str, Any]:
    flags = [
        spec.kind == "category" and spec.sizes[column] <= MAX_CATEGORIES
        for spec in ask.specs.values()
        for column in range(spec.shape[0])
    ]
    return {"categorical_features": flags if any(flags) else None, "random_state": ask.seed}


def _classes(matrix: np.ndarray, target: np.ndarray, probe: np.ndarray, ask: Ask) -> np.ndarray:
    from sklearn.ensemble import HistGradientBoostingClassifier

    answer = np.zeros((len(probe), ask.size))
    seen = np.unique(target)
    if len(seen) < 2:
        answer[:, seen] = 1.0
        return answer
    answer[:, seen] = HistGradientBoostingClassifier(**_options(ask)).fit(matrix, target).predict_proba(probe)
    return answer


def _labels(matrix: np.ndarray, target: np.ndarray, probe: np.ndarray, ask: Ask) -> np.ndarray:
    two = Ask("classes", 2, ask.specs, seed=ask.seed)
    columns = []
    for label in range(ask.size):
        known = target[:, label] >= 0
        columns.append(_classes(matrix[known], (target[known, label] > 0).astype(np.int64), probe, two)[:, 1])
    return np.stack(columns, axis=1)


def _values(matrix: np.ndarray, target: np.ndarray, probe: np.ndarray, ask: Ask) -> np.ndarray:
    from sklearn.ensemble import HistGradientBoostingRegressor

    models = [HistGradientBoostingRegressor(**_options(ask)).fit(matrix, target[:, t]) for t in range(ask.size)]
    return np.stack([model.predict(probe) for model in models], axis=1)


def _quantiles(matrix: np.ndarray, target: np.ndarray, probe: np.ndarray, ask: Ask) -> np.ndarray:
    from sklearn.ensemble import HistGradientBoostingRegressor

    answer = np.empty((len(probe), ask.size, len(ask.levels)))
    for t in range(ask.size):
        for q, level in enumerate(ask.levels):
            model = HistGradientBoostingRegressor(loss="quantile", quantile=level, **_options(ask))
            answer[:, t, q] = model.fit(matrix, target[:, t]).predict(probe)
    return np.sort(answer, axis=-1)
