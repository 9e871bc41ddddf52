"""Counts of n-grams: the chance of each next token from the few before it, smoothed as by Kneser and Ney.

Interpolated Kneser-Ney with one discount per order (Kneser and Ney 1995; Chen and Goodman 1999, section 3). N-grams are
told apart by 64-bit hashes. Shape legend: N windows, C tokens of context, P places where a token is predicted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlw.baselines._base import Answer, Ask
from dlw.specs import Arrays

KINDS = ("nats",)
INPUTS = ("tokens",)
ORDER = 6
"""Tokens of the longest n-gram, the predicted one included."""


def predict(train: Arrays, target: np.ndarray, test: Arrays, ask: Ask) -> Answer:
    """Return the nats of each test window, float64 [N]."""
    assert ask.truth is not None, "what is to be predicted is asked about"
    (group,) = ask.specs
    counted = _places(train[group], target)
    levels = _levels(counted)
    asked = _places(test[group], ask.truth)
    chance_P = np.full(len(asked.keys[0]), 1.0 / (ask.specs[group].sizes[0] - 1))
    for level, (context, gram) in enumerate(zip(asked.contexts, asked.keys, strict=True)):
        chance_P = levels[level].chance(context, gram, chance_P)
    nats_N = np.bincount(asked.rows, -np.log(chance_P), minlength=len(ask.truth))
    return Answer(nats_N, f"interpolated Kneser-Ney of up to {ORDER} tokens, {len(counted.rows):,} places of training")


@dataclass(frozen=True)
class _Places:
    """Places where a token is predicted: window [P], and per order from 1 on the hash of context and n-gram, [P]."""

    rows: np.ndarray
    contexts: list[np.ndarray]
    keys: list[np.ndarray]


@dataclass(frozen=True)
class _Level:
    """Counts of one order: n-grams by hash, and per context the sum and the number of its n-grams."""

    grams: np.ndarray
    counts: np.ndarray
    contexts: np.ndarray
    totals: np.ndarray
    kinds: np.ndarray
    discount: float

    def chance(self, context_P: np.ndarray, gram_P: np.ndarray, shorter_P: np.ndarray) -> np.ndarray:
        """Return the chance of each n-gram's last token, given that of the order below."""
        count_P = _looked_up(self.grams, self.counts, gram_P)
        total_P = _looked_up(self.contexts, self.totals, context_P)
        kinds_P = _looked_up(self.contexts, self.kinds, context_P)
        known_P = np.maximum(total_P, 1)
        mixed_P = (np.maximum(count_P - self.discount, 0) + self.discount * kinds_P * shorter_P) / known_P
        return np.where(total_P > 0, mixed_P, shorter_P)


def _places(token_NC: np.ndarray, target_NC: np.ndarray) -> _Places:
    factors = np.random.Generator(np.random.Philox(key=ORDER)).integers(0, 2**64, ORDER, dtype=np.uint64) | np.uint64(1)
    rows, columns = np.nonzero(target_NC)
    last = (target_NC[rows, columns].astype(np.uint64) + np.uint64(1)) * factors[0]
    context = np.zeros(len(rows), np.uint64)
    contexts, keys = [context], [last]
    for back in range(ORDER - 1):
        token = np.where(columns >= back, token_NC[rows, np.maximum(columns - back, 0)], 0).astype(np.uint64)
        context = context + (token + np.uint64(1)) * factors[back + 1]
        contexts.append(context)
        keys.append(context + last)
    return _Places(rows, contexts, keys)


def _levels(places: _Places) -> list[_Level]:
    """Count from the longest n-grams down; below, an n-gram counts once for each different token before it."""
    levels: list[_Level] = []
    chosen = np.arange(len(places.rows))
    for level in reversed(range(ORDER)):
        grams, first, counts = np.unique(places.keys[level][chosen], return_index=True, return_counts=True)
        chosen = chosen[first]
        contexts, which = np.unique(places.contexts[level][chosen], return_inverse=True)
        totals, kinds = np.bincount(which, counts), np.bincount(which)
        once, twice = int((counts == 1).sum()), int((counts == 2).sum())
        discount = once / (once + 2 * twice) if once else 0.5
        levels.append(_Level(grams, counts, contexts, totals, kinds, discount))
    return levels[::-1]


def _looked_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)
