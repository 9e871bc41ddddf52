"""How many of the n-grams of words in all texts are different ones (Li et al. 2016, arXiv:1510.03055, section 5).

The share falls as there is more text, so that a text drawn twice lowers it by itself: intervals come from what each
text adds to the others instead. Shape legend: N texts, P places where an n-gram stands, R resamples.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from dlw.metrics._weights import ratio
from dlw.metrics._words import words_of
from dlw.specs import Outcome


@dataclass(frozen=True)
class _Grams:
    """The text of each place and the number of the n-gram there, both int64 [P]."""

    text_P: np.ndarray
    gram_P: np.ndarray


def share(outcome: Outcome, length: int, weight_N: np.ndarray | None) -> float:
    """Return different n-grams over all n-grams, a text repeated as often as it weighs; NaN without any."""
    grams = _grams(outcome.prediction, length)
    weight_P = (np.ones(len(outcome.prediction)) if weight_N is None else weight_N)[grams.text_P]
    return float(ratio(np.array(len(np.unique(grams.gram_P[weight_P > 0]))), weight_P.sum()))


def drawn_share(outcome: Outcome, length: int, weight_RN: np.ndarray) -> np.ndarray:
    """Return the share [R] with each text counted as a new one that adds what it alone holds, as often as it weighs.

    These are the slopes of the jackknife, whose variance is no less than the true one (Efron and Stein 1981,
    doi:10.1214/aos/1176345462).
    """
    grams, rows = _grams(outcome.prediction, length), len(outcome.prediction)
    pairs = np.unique(grams.gram_P * rows + grams.text_P)
    texts_of = np.bincount(pairs // rows) if len(pairs) else pairs
    own_N = np.bincount(pairs[texts_of[pairs // rows] == 1] % rows, minlength=rows)
    all_N = np.bincount(grams.text_P, minlength=rows)
    return np.minimum(ratio(len(texts_of) - own_N.sum() + weight_RN @ own_N, weight_RN @ all_N), 1.0)


def of_given(outcome: Outcome, length: int) -> str:
    """Say what the figure of the texts that were given is: to have few words repeated is no aim by itself."""
    given = replace(outcome, prediction=outcome.target)
    counts = [len(_grams(one.prediction, length).gram_P) for one in (outcome, given)]
    what = {1: "words", 2: "pairs of words"}[length]
    return (
        f"of {counts[0]:,} {what}, in small letters and without marks; {share(given, length, None):.4g} of the "
        f"{counts[1]:,} in the texts as they were given; the share falls as there is more text"
    )


def _grams(texts: Iterable[str], length: int) -> _Grams:
    numbers: dict[tuple[str, ...], int] = {}
    places: list[tuple[int, int]] = []
    for row, text in enumerate(texts):
        said = words_of(text)
        for gram in zip(*(said[start:] for start in range(length)), strict=False):
            places.append((row, numbers.setdefault(gram, len(numbers))))
    text_P, gram_P = np.array(places, np.int64).reshape(-1, 2).T
    return _Grams(text_P, gram_P)
