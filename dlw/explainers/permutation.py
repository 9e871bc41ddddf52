"""How much the metric loses where one input is shuffled between rows (Fisher et al. 2019, arXiv:1801.01489).

A column, a channel of a series, or a whole picture or text beside them takes the value of another row of the split;
the loss is averaged over several shuffles. The interval is that of the rows: a bootstrap over them, the same for all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from pydantic import Field

from dlw.explainers._base import ExplainerSettings, Part, Survey, Worth
from dlw.specs import Arrays

ABOUT = "split"
INPUTS = ("image", "sound", "series", "tokens", "number", "category", "graph")
LEVEL = 0.95


class Settings(ExplainerSettings):
    """Options of permutation importance."""

    repeats: int = Field(5, ge=1, le=1000, description="Shuffles of each input.")
    rows: int = Field(5000, ge=2, le=10**7, description="Most rows that are answered, drawn by the recipe's seed.")
    resamples: int = Field(200, ge=20, le=10_000, description="Bootstrap draws for the interval.")


def build(settings: Settings) -> Callable[[Survey], list[Worth]]:
    """Return the explaining function."""
    return partial(explain, repeats=settings.repeats)


def explain(survey: Survey, repeats: int) -> list[Worth]:
    """Return what each part is worth, the most important one first."""
    measured_R = survey.measure(survey.arrays)
    rng = np.random.default_rng(survey.seed)
    count = len(next(iter(survey.arrays.values())))
    found = []
    for done, part in enumerate(survey.parts):
        survey.progress(done, len(survey.parts))
        loss_R = np.zeros_like(measured_R)
        for _ in range(repeats):
            loss_R += (measured_R - survey.measure(shuffled(survey.arrays, part, rng.permutation(count)))) / repeats
        known = loss_R[1:][~np.isnan(loss_R[1:])]
        low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if len(known) else (np.nan, np.nan)
        found.append(Worth(part.name, float(loss_R[0]), float(low), float(high)))
    survey.progress(len(survey.parts), len(survey.parts))
    return sorted(found, key=lambda worth: -worth.value)


def shuffled(arrays: Arrays, part: Part, order: np.ndarray) -> Arrays:
    """Return the arrays with one part taken from the rows in another order."""
    changed = arrays[part.group].copy()
    where = (..., part.places) if part.places is not None else ...
    changed[where] = arrays[part.group][order][where]
    return {**arrays, part.group: changed}
