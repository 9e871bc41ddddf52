"""The inputs themselves as vectors: pixels, standardised numbers and one-hot categories, less the training mean."""

from __future__ import annotations

import numpy as np

from dlw.baselines._base import Answer, Ask
from dlw.baselines._features import Features
from dlw.baselines._rows import told
from dlw.specs import Arrays

KINDS = ("vectors",)
INPUTS = ("number", "category", "labels", "image")


def predict(train: Arrays, target: np.ndarray, test: Arrays, ask: Ask) -> Answer:
    """Answer with each row's features, brought to length 1."""
    features = Features(train, ask.specs)
    mean = np.asarray(features(train).mean(0)).reshape(-1)
    matrix = features(test)
    values = np.asarray(matrix if isinstance(matrix, np.ndarray) else matrix.toarray(), np.float32) - mean
    vectors = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    rows = told(len(target), ask.of_rows or len(target))
    return Answer(vectors.astype(np.float32), f"{values.shape[1]} features of each row, mean of {rows}")
