"""ROUGE of single texts by the package rouge-score (Lin 2004), as the field reports it: F-measure, words stemmed.

The package knows the letters a to z alone. Where a reference is mostly written in others, words are those of any
script, without stemming.
"""

from __future__ import annotations

from importlib.metadata import version

import numpy as np

from dlw.metrics._words import words_of
from dlw.specs import Outcome


class _AnyScript:
    """A tokenizer of rouge-score: words are what letters, their marks and digits make."""

    def tokenize(self, text: str) -> list[str]:
        """Return the words in small letters."""
        return words_of(text)


def f_measures(outcome: Outcome, kind: str) -> np.ndarray:
    """Return the F-measure of each text against its reference, float64 [N]; kind is rouge1, rouge2 or rougeL."""
    from rouge_score.rouge_scorer import RougeScorer

    plain, any_script = RougeScorer([kind], use_stemmer=True), RougeScorer([kind], tokenizer=_AnyScript())
    found = [
        (any_script if _is_beyond_ascii(truth) else plain).score(truth, text)[kind].fmeasure
        for text, truth in zip(outcome.prediction, outcome.target, strict=True)
    ]
    return np.array(found, np.float64)


def signature() -> str:
    """Return what another figure must have been made with to be compared."""
    return (
        f"rouge-score {version('rouge-score')}, stemmed; where most letters of the reference are not a-z: words of any "
        "script, Chinese characters and kana one by one, not stemmed"
    )


def _is_beyond_ascii(text: str) -> bool:
    """Tell whether most letters and digits of a text are none that rouge-score reads."""
    return sum(-1 if sign.isascii() else 1 for sign in text if sign.isalnum()) > 0
