"""chrF2: character n-grams shared with the reference (sacreBLEU), from 0 to 100."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlw.metrics._texts import corpus_scores
from dlw.specs import Outcome

KINDS = ("texts",)
HIGHER_IS_BETTER = True
NEEDS = ("sacrebleu", "text")


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the score under R sets of row weights, float64 [R]."""
    metric = _metric()
    return corpus_scores(
        outcome,
        lambda texts, truths: metric._extract_corpus_statistics(texts, [truths]),
        lambda counts: float(metric._compute_score_from_stats(counts).score),
        weight_RN,
    )


def compute(outcome: Outcome, weight: np.ndarray | None) -> float:
    """Return chrF2 (Popovic 2015), from 0 to 100."""
    weight_N = np.ones(len(outcome.target)) if weight is None else weight
    return float(resampled(outcome, weight_N[None])[0])


def signature() -> str:
    """Return sacreBLEU's signature: what another figure must have been made with to be compared."""
    metric = _metric()
    metric.corpus_score(["a"], [["a"]])
    return str(metric.get_signature())


def _metric() -> Any:
    from sacrebleu.metrics import CHRF

    return CHRF()
