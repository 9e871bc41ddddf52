"""Labels that look wrong: rows that plain learners, which have not seen them, are certain to be of another class.

Cross-fitting as in confident learning (Northcutt et al. 2021, arXiv:1911.00068), with the baselines of the workbench.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from dlw import registry
from dlw.baselines._base import Ask
from dlw.progress import Listener
from dlw.specs import Arrays, FieldSpec
from dlw.verbs._baseline import fitting
from dlw.verbs._checks.findings import SHOWN, Finding

FOLDS = 4
MOST_ROWS = 6000
LEAST_ROWS = 100
CERTAIN, DOUBTED = 0.9, 0.05
MOST_LEARNERS = 2
"""Learners whose probabilities are averaged: one alone errs at the edges of its bins."""


def balance(classes: Mapping[str, Mapping[str, int]]) -> Iterator[Finding]:
    """Find classes that are rare in train, and classes that judge but were not learned."""
    counts = {label: rows.get("train", 0) for label, rows in classes.items()}
    total = sum(counts.values())
    if not total:
        return
    rare = [f"{label} ({count:,})" for label, count in counts.items() if 0 < count < 0.05 * total / len(counts) * 2]
    if rare:
        text = f"rare classes in train: {', '.join(rare[:8])} of {total:,} rows; accuracy says little about them"
        yield Finding("balance", "note", text)
    for label, rows in classes.items():
        judged = sum(count for split, count in rows.items() if split != "train")
        if judged and not counts[label]:
            yield Finding("balance", "warning", f"class {label} is judged on {judged:,} rows but has none in train")


def suspects(
    train: Arrays,
    target: np.ndarray,
    places: np.ndarray,
    inputs: Mapping[str, FieldSpec],
    spec: FieldSpec,
    seed: int,
    listener: Listener,
) -> Iterator[Finding]:
    """Find training rows (at `places` of the split) whose label is probably wrong; a target of one category only."""
    names = [name for name in fitting("classes", dict(inputs)) if name != "constant"][:MOST_LEARNERS]
    if not names or len(target) < LEAST_ROWS:
        return
    chosen = np.sort(np.random.default_rng(seed).permutation(len(target))[:MOST_ROWS])
    learned = {name: train[name][chosen] for name in inputs}
    ask = Ask("classes", len(spec.labels), inputs, (), seed)
    answers = np.mean([_cross_fitted(learned, target[chosen], name, ask, listener) for name in names], axis=0)
    given = answers[np.arange(len(chosen)), target[chosen]]
    best = answers.argmax(1)
    wrong = np.flatnonzero((given < DOUBTED) & (answers.max(1) > CERTAIN))
    if not len(wrong):
        return
    wrong = wrong[np.argsort(given[wrong] - answers.max(1)[wrong], kind="stable")]
    examples = "; ".join(
        f"row {places[chosen[row]]}: {spec.labels[target[chosen[row]]]}, looks like {spec.labels[best[row]]}"
        for row in wrong[:SHOWN]
    )
    by = f"{' and '.join(names)}, {FOLDS} folds"
    text = f"{len(wrong):,} of {len(chosen):,} training rows may be mislabelled ({by}): {examples}"
    yield Finding("labels", "note", text, tuple(int(places[chosen[row]]) for row in wrong[:SHOWN]))


def _cross_fitted(train: Arrays, target: np.ndarray, name: str, ask: Ask, listener: Listener) -> np.ndarray:
    """Return probabilities [N, K] of each row by a learner of the other folds."""
    fold = np.random.default_rng(ask.seed + 1).permutation(len(target)) % FOLDS
    answers = np.zeros((len(target), ask.size))
    predict = registry.load("baselines", name).predict
    for number in range(FOLDS):
        listener.progress(name, number, FOLDS, {})
        is_own = fold == number
        own, others = ({group: array[rows] for group, array in train.items()} for rows in (is_own, ~is_own))
        answers[is_own] = predict(others, target[~is_own], own, ask).prediction
    listener.progress(name, FOLDS, FOLDS, {})
    return answers
