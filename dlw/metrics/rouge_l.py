"""ROUGE-L: the longest common sequence of words, F-measure with stemming (rouge-score)."""

from __future__ import annotations

import numpy as np

from dlw.metrics._rouge import f_measures
from dlw.specs import Outcome

KINDS = ("texts",)
HIGHER_IS_BETTER = True
NEEDS = ("rouge_score", "text")


def per_row(outcome: Outcome) -> np.ndarray:
    """Return the score of each row, float64 [N]."""
    return f_measures(outcome, "rougeL")
