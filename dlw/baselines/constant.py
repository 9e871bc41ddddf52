"""The same answer for every row: class frequencies (so the majority class), the mean, or the sample's quantiles; of a
map the most frequent class of each place."""

from __future__ import annotations

import numpy as np

from dlw.baselines._base import Answer, Ask
from dlw.baselines._rows import told
from dlw.ragged import FILL
from dlw.specs import Arrays

KINDS = ("classes", "labels", "values", "quantiles", "map")
INPUTS = ("number", "category", "labels", "image", *FILL)


def predict(train: Arrays, target: np.ndarray, test: Arrays, ask: Ask) -> Answer:
    """Answer every test row with what is known of the training target alone."""
    rows = len(next(iter(test.values())))
    if ask.kind == "classes":
        one, note = np.bincount(target, minlength=ask.size) / len(target), "class frequencies"
    elif ask.kind == "labels":
        one, note = (target > 0).sum(0) / np.maximum((target >= 0).sum(0), 1), "label frequencies"
    elif ask.kind == "values":
        one, note = target.mean(0, dtype=np.float64), "the mean"
    elif ask.kind == "map":
        votes = np.stack([(target == place).sum(0) for place in range(ask.size)])
        one, note = votes.argmax(0).astype(np.uint8), "the most frequent class of each place"
    else:
        one, note = np.quantile(target.astype(np.float64), ask.levels, axis=0).T, "the quantiles"
    return Answer(
        np.broadcast_to(one, (rows, *one.shape)), f"{note} of {told(len(target), ask.of_rows or len(target))}"
    )
