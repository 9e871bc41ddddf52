"""k-means on the standardised inputs, each category a column per value (scikit-learn's)."""

from __future__ import annotations

import numpy as np

from dlw.baselines._base import Answer, Ask
from dlw.baselines._features import Features
from dlw.baselines._rows import sample, told
from dlw.specs import Arrays

KINDS = ("clusters",)
INPUTS = ("number", "category", "image")

MAX_ROWS = 20_000
STARTS = 10


def predict(train: Arrays, target: np.ndarray, test: Arrays, ask: Ask) -> Answer:
    """Give each row to the cluster of the nearest centre."""
    from sklearn.cluster import KMeans

    rows = sample(target, MAX_ROWS, ask.seed, has_classes=False)
    chosen = {name: train[name][rows] for name in ask.specs}
    features = Features(chosen, ask.specs)
    learner = KMeans(ask.size, n_init=STARTS, random_state=ask.seed).fit(features(chosen))
    note = f"{STARTS} starts on {told(len(rows), ask.of_rows or len(target))}"
    return Answer(np.eye(ask.size)[learner.predict(features(test))], note)
