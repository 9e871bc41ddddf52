"""Scores of whole corpora of texts, under row weights: rows are repeated as often as they weigh."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dlw.specs import Outcome

Statistics = Callable[[Sequence[str], Sequence[str]], list[list[float]]]
"""Texts and references to counts per row, which add up over rows."""


def corpus_scores(
    outcome: Outcome,
    statistics: Statistics,
    score: Callable[[list[int]], float],
    weight_RN: np.ndarray,
) -> np.ndarray:
    """Return a score of summed counts, float64 [R], under R sets of whole row weights; NaN without rows."""
    if not len(outcome.target):
        return np.full(len(weight_RN), np.nan)
    counts_NC = np.array(statistics(list(outcome.prediction), list(outcome.target)), np.float64)
    sums_RC = weight_RN @ counts_NC
    return np.array([score([round(count) for count in sums_C]) if any(sums_C) else np.nan for sums_C in sums_RC])
