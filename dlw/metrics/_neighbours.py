"""How well vectors find the rows of their own class, row by row: exact search by cosine.

A row never finds itself. Shape legend: N rows, W rows that are searched, n rows of a piece, R rows of the own class.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dlw.metrics._weights import ratio
from dlw.specs import Outcome

ROWS_AT_ONCE = 512

PerRow = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(similarity [n, W], -inf where a row may not be found; whether it is of the own class [n, W]) -> [n]"""


def by_row(outcome: Outcome, measure: PerRow) -> np.ndarray:
    """Return a measure of each row, float64 [N]; NaN for rows that do not search or have nothing to find."""
    whole = outcome.whole or outcome
    places = np.arange(len(outcome.target)) if outcome.places is None else outcome.places
    values = np.full(len(outcome.target), np.nan)
    for start in range(0, len(values), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        similarity = outcome.prediction[rows] @ whole.prediction.T
        barred = ~_may_be_found(outcome, whole, places, rows)
        is_same = (outcome.target[rows, None] == whole.target) & ~barred
        searches = is_same.any(1)
        if outcome.is_found is not None:
            searches &= ~outcome.is_found[rows]
        found = measure(np.where(barred, -np.inf, similarity)[searches], is_same[searches])
        values[rows] = np.where(searches, 0.0, np.nan)
        values[np.arange(start, start + len(searches))[searches]] = found
    return values


def _may_be_found(outcome: Outcome, whole: Outcome, places: np.ndarray, rows: slice) -> np.ndarray:
    """Return which rows of the whole each of some rows may find, bool [n, W]."""
    allowed = places[rows, None] != np.arange(len(whole.target))
    if outcome.group is not None and whole.group is not None:
        allowed &= outcome.group[rows, None] == whole.group
    if whole.is_found is not None:
        allowed &= whole.is_found
    return allowed


def nearest(outcome: Outcome, row: int, count: int) -> list[int]:
    """Return the rows of a whole outcome that one of its rows finds first, at most so many."""
    allowed = _may_be_found(outcome, outcome, np.arange(len(outcome.target)), slice(row, row + 1))[0]
    similarity = outcome.prediction @ outcome.prediction[row]
    order = np.argsort(-np.where(allowed, similarity, -np.inf), kind="stable")[:count]
    return [int(other) for other in order if allowed[other]]


def mean_of_known(values_N: np.ndarray, weight_RN: np.ndarray) -> np.ndarray:
    """Return the mean [R] of the rows that have a value, under each set of weights."""
    known = ~np.isnan(values_N)
    return ratio(weight_RN[:, known] @ values_N[known], weight_RN[:, known].sum(1))


def is_nearest_right(similarity: np.ndarray, is_same: np.ndarray) -> np.ndarray:
    """Return 1 where the nearest row is of the own class, else 0: a PerRow."""
    return np.take_along_axis(is_same, similarity.argmax(1)[:, None], axis=1)[:, 0].astype(np.float64)
