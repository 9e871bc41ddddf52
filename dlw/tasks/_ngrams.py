"""A small language model: which token follows the few before it, from the counts of a field."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

DISCOUNT = 0.5
"""Taken off every count and given to what shorter contexts expect (absolute discounting, Ney et al. 1994)."""


class NGrams:
    """Probability of a token after others. `counts` holds rows of n token ids and how often they follow one another;
    `start` stands before a text."""

    def __init__(self, counts: Sequence[Sequence[int]], size: int, start: int) -> None:
        self.order = len(counts[0]) - 1
        self._start, self._size = start, size
        self._after: dict[tuple[int, ...], dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for *tokens, count in counts:
            for place in range(self.order):
                self._after[tuple(tokens[place:-1])][tokens[-1]] += count
        self._total = {context: sum(after.values()) for context, after in self._after.items()}
        self._known: dict[tuple[tuple[int, ...], int], float] = {}

    def probability(self, before: Sequence[int], token: int) -> float:
        """Return the probability that `token` follows `before`, above 0 for every token."""
        context = tuple(before[len(before) - self.order + 1 :] if len(before) >= self.order else before)
        return self._probability((*[self._start] * (self.order - 1 - len(context)), *context), token)

    def _probability(self, context: tuple[int, ...], token: int) -> float:
        if context not in self._total:
            return self._probability(context[1:], token) if context else 1 / self._size
        key = (context, token)
        if key not in self._known:
            after, total = self._after[context], self._total[context]
            shorter = self._probability(context[1:], token) if context else 1 / self._size
            share = max(after.get(token, 0) - DISCOUNT, 0.0) / total
            self._known[key] = share + DISCOUNT * len(after) / total * shorter
        return self._known[key]
