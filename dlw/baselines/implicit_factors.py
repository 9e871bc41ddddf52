"""Matrix factorisation of who took what, by alternating least squares.

Hu, Koren and Volinsky 2008, doi:10.1109/ICDM.2008.22; the user of a row is fitted to its history, and may be new.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlw.baselines._base import Answer, Ask
from dlw.baselines._items import matrix, only_items, ranked
from dlw.baselines._rows import told
from dlw.specs import Arrays

KINDS = ("ranking",)
INPUTS = ("tokens", "category", "number")
FACTORS, ROUNDS, WEIGHT, DECAY = 32, 10, 10.0, 10.0


def predict(train: Arrays, target: np.ndarray, test: Arrays, ask: Ask) -> Answer:
    """Fit 32 factors in 10 rounds."""
    name, items = only_items(ask)
    taken_NK = matrix(train[name], items)
    item_KF = np.random.default_rng(ask.seed).normal(0, 0.1, (items, FACTORS))
    for _ in range(ROUNDS):
        user_NF = _solved(taken_NK, item_KF)
        item_KF = _solved(taken_NK.T.tocsr(), user_NF)
    answer = ranked(lambda rows: _solved(matrix(rows, items), item_KF) @ item_KF.T, test[name], ask.size)
    rows = told(len(target), ask.of_rows or len(target))
    return Answer(answer, f"{FACTORS} factors by alternating least squares, {rows}")


def _solved(taken_NK: Any, other_KF: np.ndarray) -> np.ndarray:
    """Return the factors [N, F] that explain each row best, the others given."""
    base_FF = other_KF.T @ other_KF + DECAY * np.eye(other_KF.shape[1])
    factors = np.zeros((taken_NK.shape[0], other_KF.shape[1]))
    for row, (start, stop) in enumerate(zip(taken_NK.indptr, taken_NK.indptr[1:], strict=False)):
        seen_SF = other_KF[taken_NK.indices[start:stop]]
        factors[row] = np.linalg.solve(base_FF + WEIGHT * seen_SF.T @ seen_SF, (1 + WEIGHT) * seen_SF.sum(0))
    return factors
