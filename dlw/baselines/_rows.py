"""Which training rows a learner sees when all of them would take minutes."""

from __future__ import annotations

import numpy as np


def sample(target: np.ndarray, limit: int, seed: int, *, has_classes: bool) -> np.ndarray:
    """Return at most `limit` row numbers, in order; one row of every class is among them."""
    if len(target) <= limit:
        return np.arange(len(target))
    order = np.random.default_rng(seed).permutation(len(target))
    if has_classes:
        _, first = np.unique(target[order], return_index=True)
        order = np.concatenate([order[first], np.delete(order, first)])
    return np.sort(order[:limit])


def told(used: int, total: int) -> str:
    """Say how many rows were used."""
    return f"{total:,} training rows" if used == total else f"{used:,} of {total:,} training rows, drawn at random"
