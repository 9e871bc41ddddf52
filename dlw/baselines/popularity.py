"""The items taken most often in training, for everybody alike, without those of the history."""

from __future__ import annotations

import numpy as np

from dlw.baselines._base import Answer, Ask
from dlw.baselines._items import matrix, only_items, ranked
from dlw.baselines._rows import told
from dlw.specs import Arrays

KINDS = ("ranking",)
INPUTS = ("tokens", "category", "number")


def predict(train: Arrays, target: np.ndarray, test: Arrays, ask: Ask) -> Answer:
    """Rank all items by their number of training interactions."""
    name, items = only_items(ask)
    count_K = np.asarray(matrix(train[name], items).sum(0)).reshape(-1)
    answer = ranked(lambda rows: np.broadcast_to(count_K, (len(rows), items)), test[name], ask.size)
    return Answer(answer, f"interactions of {told(len(target), ask.of_rows or len(target))}")
