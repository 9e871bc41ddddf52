"""ROUGE of single texts by the package rouge-score (Lin 2004), as the field reports it: F-measure, words stemmed."""

from __future__ import annotations

import numpy as np

from dlw.specs import Outcome


def f_measures(outcome: Outcome, kind: str) -> np.ndarray:
    """Return the F-measure of each text against its reference, float64 [N]; kind is rouge1, rouge2 or rougeL."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer([kind], use_stemmer=True)
    found = [
        scorer.score(truth, text)[kind].fmeasure for text, truth in zip(outcome.prediction, outcome.target, strict=True)
    ]
    return np.array(found, np.float64)
