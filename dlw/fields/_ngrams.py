"""Counts of the tokens that follow one another, for a small language model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

MOST_KEPT = 100_000
"""The most frequent rows of tokens are kept."""


def follow_counts(rows: Sequence[np.ndarray], order: int, marks: Mapping[str, int]) -> list[list[int]]:
    """Return [token, ..., token, count] of every `order` tokens in a row; starts stand before a text, its end after."""
    counts: Counter[tuple[int, ...]] = Counter()
    for row in rows:
        text = [*[marks["start"]] * (order - 1), *row.tolist(), marks["end"]]
        counts.update(tuple(text[place : place + order]) for place in range(len(text) - order + 1))
    kept = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_KEPT]
    return [[*tokens, count] for tokens, count in kept]
