"""Biases and factors of the two category columns with the most values (users and items), by alternating least squares.

Koren, Bell and Volinsky 2009, doi:10.1109/MC.2009.263; decay grows with the number of ratings (Zhou et al. 2008,
doi:10.1007/978-3-540-68880-8_32). Legend: N rows, F factors.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from dlw.baselines._base import Answer, Ask
from dlw.baselines._rows import told
from dlw.specs import Arrays, FieldSpec

KINDS = ("values",)
INPUTS = ("category", "number", "tokens", "labels")
FACTORS, ROUNDS = 16, 12
BIAS_DECAY, FACTOR_DECAY = 5.0, 0.12
LEAST_VALUES = 50
"""Values from which on a category column may name users or items."""


def fits(specs: Mapping[str, FieldSpec]) -> bool:
    """Say whether two category columns have so many values that they may name users and items."""
    return "category" in specs and sum(size > LEAST_VALUES for size in specs["category"].sizes) >= 2


def predict(train: Arrays, target: np.ndarray, test: Arrays, ask: Ask) -> Answer:
    """Fit the biases, then 16 factors to what they leave, for each target."""
    spec = ask.specs["category"]
    pair = np.sort(np.argsort(-np.asarray(spec.sizes), kind="stable")[:2])
    sizes = [spec.sizes[place] for place in pair]
    seen_N2, asked_N2 = train["category"][:, pair], test["category"][:, pair]
    answers = [_one(seen_N2, value_N.astype(np.float64), asked_N2, sizes, ask.seed) for value_N in target.T]
    names = " and ".join(spec.columns[place] for place in pair)
    rows = told(len(target), ask.of_rows or len(target))
    note = f"biases and {FACTORS} factors of {names} by alternating least squares, {rows}"
    return Answer(np.stack(answers, axis=1), note)


def _one(seen_N2: np.ndarray, value_N: np.ndarray, asked_N2: np.ndarray, sizes: list[int], seed: int) -> np.ndarray:
    mean = value_N.mean()
    biases = [np.zeros(size) for size in sizes]
    for _ in range(ROUNDS):
        for side in (1, 0):
            left_N = value_N - mean - biases[1 - side][seen_N2[:, 1 - side]]
            sums, counts = (np.bincount(seen_N2[:, side], weight, sizes[side]) for weight in (left_N, None))
            biases[side] = sums / (counts + BIAS_DECAY)
    left_N = value_N - mean - biases[0][seen_N2[:, 0]] - biases[1][seen_N2[:, 1]]
    factors = [np.random.default_rng(seed).normal(0, 0.1, (size, FACTORS)) for size in sizes]
    order = [np.argsort(seen_N2[:, side], kind="stable") for side in (0, 1)]
    for _ in range(ROUNDS):
        for side in (0, 1):
            factors[side] = _solved(seen_N2[order[side]], left_N[order[side]], side, factors[1 - side], sizes[side])
    product_N = (factors[0][asked_N2[:, 0]] * factors[1][asked_N2[:, 1]]).sum(1)
    return np.asarray(mean + biases[0][asked_N2[:, 0]] + biases[1][asked_N2[:, 1]] + product_N)


def _solved(seen_N2: np.ndarray, left_N: np.ndarray, side: int, other: np.ndarray, size: int) -> np.ndarray:
    """Return the factors of one side, rows sorted by it; of values without rows, zeros."""
    factors = np.zeros((size, FACTORS))
    ends = np.searchsorted(seen_N2[:, side], np.arange(size + 1))
    for value, (start, stop) in enumerate(itertools.pairwise(ends)):
        if stop > start:
            met = other[seen_N2[start:stop, 1 - side]]
            decay = FACTOR_DECAY * (stop - start) * np.eye(FACTORS)
            factors[value] = np.linalg.solve(met.T @ met + decay, met.T @ left_N[start:stop])
    return factors
