"""Histories of items as a matrix of who took what, and rankings without what was taken. Legend: N rows, K items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dlw.baselines._base import Ask

ROWS_AT_ONCE = 1024


def only_items(ask: Ask) -> tuple[str, int]:
    """Return the input that holds items, and how many there are."""
    ((name, size),) = ((name, spec.sizes[0] - 1) for name, spec in ask.specs.items() if spec.kind == "tokens")
    return name, size


def matrix(item_NT: np.ndarray, items: int) -> Any:
    """Return 1 where a row holds an item, scipy CSR [N, K]."""
    from scipy import sparse

    rows, steps = np.nonzero(item_NT)
    found = sparse.csr_matrix(
        (np.ones(len(rows)), (rows, item_NT[rows, steps] - 1)), shape=(len(item_NT), items), dtype=np.float64
    )
    found.data[:] = 1
    return found


def ranked(score: Callable[[np.ndarray], np.ndarray], item_NT: np.ndarray, size: int) -> np.ndarray:
    """Return int64 [N, size]: the best items of each row that its history lacks, best first, -1 fills up."""
    answers = []
    for start in range(0, len(item_NT), ROWS_AT_ONCE):
        rows = item_NT[start : start + ROWS_AT_ONCE]
        score_NK = np.array(score(rows), np.float64)
        score_NK[matrix(rows, score_NK.shape[1]).nonzero()] = -np.inf
        order_NR = np.argsort(-score_NK, axis=1, kind="stable")[:, :size]
        answers.append(np.where(np.isneginf(np.take_along_axis(score_NK, order_NR, axis=1)), -1, order_NR))
    return np.concatenate(answers)
