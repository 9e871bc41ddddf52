"""Which known word somebody meant: edit distance that counts a swap of two letters as one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache


@lru_cache(maxsize=4096)
def plain(word: str) -> str:
    """Return a word as snake_case, so that `batchSize`, `batch-size` and `Batch Size` are one word."""
    word = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", word)
    return re.sub(r"[\s\-]+", "_", word).lower()


def distance(left: str, right: str, limit: int) -> int:
    """Return how many insertions, deletions, changes or swaps of letters apart two words are, at most `limit` + 1."""
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, letter in enumerate(left, 1):
        previous, before, row = before, row, [i]
        for j, other in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other))
            if previous and i > 1 and j > 1 and letter == right[j - 2] and left[i - 2] == other:
                cost = min(cost, previous[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return row[-1]


def ranked(word: str, known: Iterable[str]) -> list[str]:
    """Return the known words, nearest first."""
    word = plain(word[:64])
    return sorted(known, key=lambda other: (distance(word, plain(other), 64), other))


def nearest(word: str, known: Iterable[str], *, share: int = 3) -> str | None:
    """Return the nearest known word if at most one letter in `share` (and always one) differs, else None."""
    if len(word) > 64:
        return None
    word = plain(word)
    limit = max(1, len(word) // share)
    scored = [(distance(word, plain(other), limit), other) for other in known if other]
    scored = [(score, other) for score, other in scored if score <= limit and score < max(len(word), len(other))]
    return min(scored)[1] if scored else None


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` for the nearest known word, or an empty text."""
    near = nearest(word, known)
    return f"; did you mean {near}?" if near else ""
