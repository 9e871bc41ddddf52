"""The work of `shapley`. Shape legend: N coalitions, P parts (columns), B rows of the background."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from dlw.explainers._asking import ask
from dlw.explainers._base import Explanation, Map, Part, Question
from dlw.explainers.shapley import INPUTS

MOST_EXACT = 8
"""Columns of which all 2^P coalitions are asked."""
COALITIONS_AT_ONCE = 16


def explain(question: Question, permutations: int) -> Explanation:
    """Return the values of every column; exact up to MOST_EXACT columns, else a mean over random orders."""
    parts = shared(question)
    nothing, everything = (_worth(question, torch.full((1, len(parts)), known)).item() for known in (False, True))
    value_P = _exact(question) if len(parts) <= MOST_EXACT else _sampled(question, permutations)
    maps = {}
    for group in question.inputs:
        places = [place for place, part in enumerate(parts) if part.group == group]
        if places:
            maps[group] = Map(value_P[places], names=tuple(parts[place].name for place in places))
    return Explanation(maps, everything, nothing, is_complete=True)


def shared(question: Question) -> tuple[Part, ...]:
    """Return the parts that share the score; inputs that are not columns are the row's own in every coalition."""
    return tuple(part for part in question.parts if question.inputs[part.group].kind in INPUTS)


def _worth(question: Question, known_NP: Tensor) -> Tensor:
    """Return float64 [N]: the mean score over the background where only the known parts are the row's."""
    parts = shared(question)
    background = len(next(iter(question.background.values())))
    groups = {part.group for part in parts}
    found = []
    for piece_NP in known_NP.split(COALITIONS_AT_ONCE):
        changed = {name: rows.repeat(len(piece_NP), 1) for name, rows in question.background.items() if name in groups}
        for place, part in enumerate(parts):
            is_known_N = piece_NP[:, place].bool().repeat_interleave(background).to(question.row[part.group].device)
            where = part.places or slice(None)
            changed[part.group][is_known_N, where] = question.row[part.group][:, where]
        found.append(ask(question, changed).double().unflatten(0, (-1, background)).mean(1))
    return torch.cat(found).cpu()


def _exact(question: Question) -> np.ndarray:
    """Sum up over coalitions S without p: |S|! (P - |S| - 1)! / P! (v(S + p) - v(S)) (Shapley 1953)."""
    count = len(shared(question))
    codes = torch.arange(2**count)
    known_NP = (codes[:, None] >> torch.arange(count)) & 1
    worth_N, size_N = _worth(question, known_NP).numpy(), known_NP.sum(1).numpy()
    weight = np.array([1 / (count * math.comb(count - 1, size)) for size in range(count)])
    values = np.zeros(count)
    for place in range(count):
        without = np.flatnonzero(known_NP[:, place].numpy() == 0)
        values[place] = (weight[size_N[without]] * (worth_N[without + 2**place] - worth_N[without])).sum()
    return values


def _sampled(question: Question, permutations: int) -> np.ndarray:
    from captum.attr import ShapleyValueSampling

    count = len(shared(question))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(question.seed)
        found = ShapleyValueSampling(lambda known_NP: _worth(question, known_NP)).attribute(
            torch.ones(1, count, dtype=torch.float64),
            torch.zeros(1, count, dtype=torch.float64),
            n_samples=permutations,
            perturbations_per_eval=COALITIONS_AT_ONCE,
        )
    return np.asarray(found[0].numpy(), np.float64)
