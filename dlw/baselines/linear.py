"""Logistic or ridge regression on numbers, one-hot categories, pixels, resampled series, spectra (scikit-learn)."""

from __future__ import annotations

import numpy as np

from dlw.baselines._base import Answer, Ask
from dlw.baselines._features import Features, width
from dlw.baselines._linear_models import logistic, ridge
from dlw.baselines._rows import sample, told
from dlw.specs import Arrays

KINDS = ("classes", "labels", "values", "quantiles")
INPUTS = ("number", "category", "labels", "image", "series", "sound")

MAX_WORK = 200_000_000
"""Rows times features times classes that are fitted in a few seconds on one core."""
MIN_ROWS = 2000
MAX_ROWS = 100_000
MAX_PICTURES = 10_000
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
            answer, name = logistic(matrix, target, ask), "logistic regression"
        else:
            answer, name = ridge(matrix, target, ask), "ridge regression"
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
