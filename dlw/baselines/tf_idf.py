"""Logistic or ridge regression on tf-idf weighted n-grams of tokens (scikit-learn): the plain answer to a text."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dlw.baselines._base import Answer, Ask
from dlw.baselines._linear_models import logistic, ridge
from dlw.baselines._rows import sample, told
from dlw.ragged import lengths
from dlw.specs import Arrays, FieldSpec

KINDS = ("classes", "labels", "values", "quantiles")
INPUTS = ("tokens",)

MAX_ROWS = 50_000
WORDS, PIECES = 2, 5
"""Longest n-grams: of tokens that are words or parts of them, and of tokens of a character or less."""
SHORT_TOKEN = 1.5
"""Characters, on average over a text; below, tokens are characters or bytes."""


def predict(train: Arrays, target: np.ndarray, test: Arrays, ask: Ask) -> Answer:
    """Fit LogisticRegression (C 1) or Ridge (alpha 1) on sublinear tf-idf of all n-grams up to two tokens."""
    from scipy import sparse
    from sklearn.feature_extraction.text import TfidfVectorizer
    from threadpoolctl import threadpool_limits

    rows = sample(target, MAX_ROWS, ask.seed, has_classes=ask.kind == "classes")
    learned, asked = [], []
    longest = 0
    for name, spec in ask.specs.items():
        chosen = train[name][rows]
        longest = PIECES if _characters(chosen, spec) < SHORT_TOKEN else WORDS
        counts = TfidfVectorizer(analyzer="word", token_pattern=r"\S+", ngram_range=(1, longest), sublinear_tf=True)
        learned.append(counts.fit_transform(_words(chosen)))
        asked.append(counts.transform(_words(test[name])))
    with threadpool_limits(1):
        fit = logistic if ask.kind in ("classes", "labels") else ridge
        answer = fit(sparse.hstack(learned, format="csr"), target[rows], ask)
        prediction = answer(sparse.hstack(asked, format="csr"))
    name = "logistic regression" if ask.kind in ("classes", "labels") else "ridge regression"
    note = f"{name} on tf-idf of up to {longest} tokens, {told(len(rows), ask.of_rows or len(target))}"
    return Answer(prediction, note)


def _words(ids_NT: np.ndarray) -> Iterator[str]:
    """Yield each row as numbers with spaces between, `0` alone where it has no steps."""
    for row, length in zip(ids_NT, lengths(ids_NT, "tokens"), strict=True):
        yield " ".join(map(str, row[: max(length, 1)].tolist()))


def _characters(ids_NT: np.ndarray, spec: FieldSpec) -> float:
    """Return how many characters a token of these texts stands for on average; infinite where tokens are no text."""
    if "characters" not in spec.statistics:
        return float("inf")
    characters = np.asarray(spec.statistics["characters"])[ids_NT]
    return float(characters.sum() / max(1, (ids_NT > 0).sum()))
