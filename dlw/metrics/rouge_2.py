"""ROUGE-2: pairs of words shared with the reference, F-measure with stemming (rouge-score)."""

from __future__ import annotations

import numpy as np

from dlw.metrics import _rouge
from dlw.specs import Outcome

KINDS = ("texts",)
HIGHER_IS_BETTER = True
NEEDS = ("rouge_score", "text")


def per_row(outcome: Outcome) -> np.ndarray:
    """Return the score of each row, float64 [N]."""
    return _rouge.f_measures(outcome, "rouge2")


def signature() -> str:
    """Return the version of rouge-score, and which texts are read otherwise."""
    return _rouge.signature()
