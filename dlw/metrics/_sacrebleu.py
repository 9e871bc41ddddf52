"""Scores of whole corpora of texts by the package sacrebleu, under row weights: rows are repeated as often as they
weigh."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlw.specs import Outcome

NEEDS = ("sacrebleu", "text")


def corpus_scores(metric: Any, outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return a metric's score of the counts summed over rows, float64 [R], under row weights; NaN without rows."""
    if not len(outcome.target):
        return np.full(len(weight_RN), np.nan)
    counts_NC = metric._extract_corpus_statistics(list(outcome.prediction), [list(outcome.target)])
    sums_RC = weight_RN @ np.array(counts_NC, np.float64)
    scores = [
        metric._compute_score_from_stats([round(count) for count in sums_C]).score if any(sums_C) else np.nan
        for sums_C in sums_RC
    ]
    return np.array(scores, np.float64)


def signature_of(metric: Any) -> str:
    """Return sacreBLEU's signature: what another figure must have been made with to be compared."""
    metric.corpus_score(["a"], [["a"]])
    return str(metric.get_signature())
