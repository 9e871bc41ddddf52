"""Distance of a row to the plane that holds most of the training rows' variance (principal components)."""

from __future__ import annotations

import numpy as np

from dlw.baselines._base import Answer, Ask
from dlw.baselines._features import Features
from dlw.baselines._rows import sample, told
from dlw.specs import Arrays

KINDS = ("scores",)
INPUTS = ("number", "category", "labels", "image")

VARIANCE = 0.95
"""Share of the training variance that lies in the plane."""
MAX_ROWS = 4000


def predict(train: Arrays, target: np.ndarray, test: Arrays, ask: Ask) -> Answer:
    """Score each row by the squared length of what the components do not explain."""
    rows = sample(target, MAX_ROWS, ask.seed, has_classes=False)
    chosen = {name: train[name][rows] for name in ask.specs}
    features = Features(chosen, ask.specs)
    matrix, probe = (_dense(features(arrays)) for arrays in (chosen, test))
    mean = matrix.mean(0)
    _, size, axes = np.linalg.svd(matrix - mean, full_matrices=False)
    share = np.cumsum(size**2) / max(float((size**2).sum()), 1e-12)
    axes = axes[: int(np.searchsorted(share, VARIANCE)) + 1]
    centred = probe - mean
    residual = centred - centred @ axes.T @ axes
    used = told(len(rows), ask.of_rows or len(target))
    note = f"{len(axes)} components ({100 * VARIANCE:g} % of the variance) of {used}"
    return Answer(np.square(residual).sum(1), note)


def _dense(matrix: np.ndarray) -> np.ndarray:
    return np.asarray(matrix if isinstance(matrix, np.ndarray) else matrix.toarray(), np.float64)
