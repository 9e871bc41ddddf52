"""From probabilities of each step to tokens: connectionist temporal classification (Graves et al. 2006), without torch.

Shape legend: S steps, K tokens with 0 for blank, L tokens of a transcript. Rows of zeros follow the end of a recording.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np

BLANK = 0
LEAST = 1e-3
"""Tokens less probable than this at a step begin no branch of the search."""
MOST_BRANCHES = 16

Prefix = tuple[int, ...]
Follow = Callable[[Prefix, int], float]
"""What a language model says: the factor on a prefix that goes on with a token."""


def greedy(probability_SK: np.ndarray) -> Prefix:
    """Return the best token of each step, repetitions merged and blanks left out."""
    best_S = probability_SK.argmax(axis=1)
    is_new_S = np.diff(best_S, prepend=-1) != 0
    return tuple(int(token) for token in best_S[is_new_S & (best_S != BLANK)])


def beam_search(probability_SK: np.ndarray, width: int, follow: Follow | None, end: int) -> Prefix:
    """Return the best transcript of a prefix beam search (Hannun et al. 2014, arXiv:1408.2873, algorithm 1).

    `follow` weighs each token by those before it, and `end` at the end.
    """
    beam: dict[Prefix, tuple[float, float]] = {(): (1.0, 0.0)}
    for probability_K in probability_SK:
        if probability_K[BLANK] + probability_K.sum() == 0:
            break
        tokens = _branches(probability_K)
        grown: dict[Prefix, list[float]] = defaultdict(lambda: [0.0, 0.0])
        blank = float(probability_K[BLANK])
        for prefix, (ends_blank, ends_token) in beam.items():
            whole = ends_blank + ends_token
            grown[prefix][0] += whole * blank
            for token, share in tokens:
                before = whole
                if prefix and token == prefix[-1]:
                    grown[prefix][1] += ends_token * share
                    before = ends_blank
                if before:
                    factor = follow(prefix, token) if follow else 1.0
                    grown[(*prefix, token)][1] += before * share * factor
        kept = sorted(grown.items(), key=lambda item: (-sum(item[1]), item[0]))[:width]
        largest = sum(kept[0][1]) or 1.0
        beam = {prefix: (blank / largest, token / largest) for prefix, (blank, token) in kept}
    finished = {prefix: sum(shares) * (follow(prefix, end) if follow else 1.0) for prefix, shares in beam.items()}
    return max(finished, key=lambda prefix: (finished[prefix], prefix))


def _branches(probability_K: np.ndarray) -> list[tuple[int, float]]:
    """Return the tokens worth a branch at a step, most probable first."""
    tokens = [int(token) for token in np.argsort(-probability_K, kind="stable")[: MOST_BRANCHES + 1]]
    return [(token, float(probability_K[token])) for token in tokens if token != BLANK and probability_K[token] > LEAST]


def align(probability_SK: np.ndarray, tokens: Prefix) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the last step, int64 [L] each, of every token on the most probable path (Viterbi)."""
    states = np.zeros(2 * len(tokens) + 1, np.int64)
    states[1::2] = tokens
    num_steps = int((probability_SK.sum(axis=1) > 0).sum())
    # 32-bit floats end near 1e-38: below that a path is as good as impossible.
    cost_SJ = -np.log(np.maximum(probability_SK[:num_steps, states], 1e-38), dtype=np.float64)
    can_skip = np.zeros(len(states), bool)
    can_skip[3::2] = states[3::2] != states[1:-2:2]
    total = np.full(len(states), np.inf)
    total[:2] = cost_SJ[0, :2] if num_steps else 0.0
    came = np.zeros((num_steps, len(states)), np.int64)
    for step in range(1, num_steps):
        one = np.concatenate([[np.inf], total[:-1]])
        two = np.where(can_skip, np.concatenate([[np.inf, np.inf], total[:-2]])[: len(states)], np.inf)
        options = np.stack([total, one, two])
        came[step] = options.argmin(axis=0)
        total = options.min(axis=0) + cost_SJ[step]
    state = len(states) - 1 - int(len(states) > 1 and total[-2] < total[-1])
    first, last = np.zeros(len(tokens), np.int64), np.zeros(len(tokens), np.int64)
    seen = np.zeros(len(tokens), bool)
    for step in range(num_steps - 1, -1, -1):
        if state % 2:
            place = state // 2
            first[place] = step
            last[place] = last[place] if seen[place] else step
            seen[place] = True
        state -= int(came[step, state])
    return first, last
