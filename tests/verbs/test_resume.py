"""The exact-resume matrix: a run that was stopped and resumed ends with the bytes of one that never was."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dlw.verbs.train import train
from tests.verbs.resumed_runs import (
    FAMILIES,
    OPTIMIZERS,
    first_differences,
    outcome,
    small_batches_without_waiting,  # noqa: F401
    train_interrupted,
    write_recipe,
)
from tests.withstood import Tally

MOMENTS = ("step 1", "mid-epoch", "epoch end", "during validation", "last step")
FACTORS: tuple[tuple[Any, ...], ...] = (tuple(FAMILIES), tuple(OPTIMIZERS), (0, 2), (1, 4), MOMENTS, (1, 5))
"""Family, optimizer, streaming workers (0: resident), accumulation, moment of the first stop, number of resumes."""

NUM_CASES = len(FAMILIES) * len(MOMENTS)

Case = tuple[Any, ...]


def pairs(case: Case) -> list[tuple[tuple[int, Any], ...]]:
    """Return the pairs of settings that a case tries together, always in one order: sums over them break ties."""
    return list(itertools.combinations(enumerate(case), 2))


def pairwise(factors: Sequence[Sequence[Any]], count: int, seed: int) -> list[Case]:
    """Choose cases of the product, each time one whose pairs were tried least often so far."""
    candidates = list(itertools.product(*factors))
    random.Random(seed).shuffle(candidates)
    tried: Counter[tuple[tuple[int, Any], ...]] = Counter()
    chosen: list[Case] = []
    for _ in range(count):
        best = max(candidates, key=lambda case: sum(0.01 ** tried[pair] for pair in pairs(case)))
        candidates.remove(best)
        tried.update(pairs(best))
        chosen.append(best)
    return chosen


CASES = pairwise(FACTORS, NUM_CASES, seed=0)


def differences(folder: Path, case: Case) -> list[str]:
    """Train a case straight and interrupted; return the files that differ."""
    family, optimizer, workers, accumulate, moment, resumes = case
    recipe = write_recipe(folder, family, optimizer, workers, accumulate)
    train(recipe, out=folder / "straight")
    train_interrupted(recipe, folder / "resumed", moment, accumulate, resumes)
    return first_differences(outcome(folder / "straight"), outcome(folder / "resumed"))


def test_the_cases_try_every_pair_of_settings_together() -> None:
    assert len(set(CASES)) == NUM_CASES
    assert set().union(*map(pairs, CASES)) == set().union(*map(pairs, itertools.product(*FACTORS)))


@pytest.mark.withstands("exact resume")
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)).replace(" ", "_"))
def test_a_resumed_run_ends_with_the_same_bytes(tmp_path: Path, case: Case) -> None:
    assert differences(tmp_path, case) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.withstands("exact resume, every combination")
@pytest.mark.parametrize("family", FAMILIES)
def test_every_combination_ends_with_the_same_bytes(tmp_path: Path, family: str, tally: Tally) -> None:
    unequal = {}
    cases = [case for case in itertools.product(*FACTORS) if case[0] == family]
    for number, case in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        if found := differences(folder, case):
            unequal[case] = found
    assert unequal == {}
    tally(len(cases) - len(unequal), len(cases))
