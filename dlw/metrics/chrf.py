"""chrF2: character n-grams shared with the reference (sacreBLEU), from 0 to 100."""

from __future__ import annotations

import numpy as np

from dlw.metrics import _sacrebleu
from dlw.specs import Outcome

KINDS = ("texts",)
HIGHER_IS_BETTER = True
NEEDS = _sacrebleu.NEEDS


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the score under R sets of row weights, float64 [R]."""
    from sacrebleu.metrics import CHRF

    return _sacrebleu.corpus_scores(CHRF(), outcome, weight_RN)


def signature() -> str:
    """Return sacreBLEU's signature."""
    from sacrebleu.metrics import CHRF

    return _sacrebleu.signature_of(CHRF())
