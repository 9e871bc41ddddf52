"""BLEU as sacreBLEU computes it: n-grams shared with the reference; case counts, tokens by its rule 13a; 0 to 100.

Papineni et al. 2002; Post 2018, arXiv:1804.08771.
"""

from __future__ import annotations

import numpy as np

from dlw.metrics import _sacrebleu
from dlw.specs import Outcome

KINDS = ("texts",)
HIGHER_IS_BETTER = True
NEEDS = _sacrebleu.NEEDS


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the score under R sets of row weights, float64 [R]."""
    from sacrebleu.metrics import BLEU

    return _sacrebleu.corpus_scores(BLEU(), outcome, weight_RN)


def signature() -> str:
    """Return sacreBLEU's signature."""
    from sacrebleu.metrics import BLEU

    return _sacrebleu.signature_of(BLEU())
