"""Items that were taken together with those of the history: nearest neighbours by the cosine of their users.

Sarwar et al. 2001, doi:10.1145/371920.372071, with the 100 nearest of each item.
"""

from __future__ import annotations

import numpy as np

from dlw.baselines._base import Answer, Ask
from dlw.baselines._items import matrix, only_items, ranked
from dlw.baselines._rows import told
from dlw.specs import Arrays

KINDS = ("ranking",)
INPUTS = ("tokens", "category", "number")
NEIGHBOURS = 100


def predict(train: Arrays, target: np.ndarray, test: Arrays, ask: Ask) -> Answer:
    """Score an item by the sum of its similarities to the items of the history."""
    from scipy import sparse

    name, items = only_items(ask)
    taken_NK = matrix(train[name], items)
    length_K = np.sqrt(np.maximum(np.asarray(taken_NK.sum(0)).reshape(-1), 1))
    similar_KK = (taken_NK.T @ taken_NK).toarray() / length_K / length_K[:, None]
    np.fill_diagonal(similar_KK, 0)
    if items > NEIGHBOURS:
        least_K = np.partition(similar_KK, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS]
        similar_KK[similar_KK < least_K[:, None]] = 0
    nearest_KK = sparse.csr_matrix(similar_KK)
    answer = ranked(lambda rows: (matrix(rows, items) @ nearest_KK.T).toarray(), test[name], ask.size)
    return Answer(answer, f"{NEIGHBOURS} nearest items by cosine, {told(len(target), ask.of_rows or len(target))}")
