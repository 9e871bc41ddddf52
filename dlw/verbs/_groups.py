"""Scores of some of the rows, of each target or class alone, and how far groups lie apart.

A gap is the largest difference of a metric between two groups of a column. Its interval is that of the difference
between the two groups it was found for, rows drawn within each; groups of few rows are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from dlw import registry
from dlw.metrics._base import value_of
from dlw.recipe.schema import Recipe
from dlw.specs import Outcome
from dlw.verbs import _slices
from dlw.verbs._intervals import Interval, by_class, interval, resample, score
from dlw.verbs._scores import Gap, Group

if TYPE_CHECKING:
    import pyarrow as pa

MAX_PARTS = 50
"""With more targets or labels than this they are scored together only."""

Metrics = Mapping[str, ModuleType]

FAIR = {
    "selection_rate": "demographic parity difference",
    "tpr": "equal opportunity difference",
    "fpr": "false positive rate difference",
}
"""Metrics that are added to the slices of a choice of two, and what their gap is called."""


def parts(outcome: Outcome, metrics: Metrics, recipe: Recipe) -> tuple[Group, ...]:
    """Score each target or label, or the boxes of each class, alone where there are several."""
    resamples, seed = recipe.evaluate.bootstrap, recipe.seed
    rows, is_small = len(outcome.target), len(outcome.target) < _slices.SMALL
    if outcome.kind == "map" and 1 < len(outcome.names) <= MAX_PARTS:
        found = by_class(outcome, metrics, resamples, seed)
        return tuple(
            Group("", name, rows, is_small, {metric: of[place] for metric, of in found.items()})
            for place, name in enumerate(outcome.names)
        )
    return tuple(Group("", name, rows, is_small, score(one, metrics, resamples, seed)) for name, one in _alone(outcome))


def _alone(outcome: Outcome) -> Iterator[tuple[str, Outcome]]:
    """Yield each target or label, or the boxes of each class, as an outcome of its own."""
    if not 1 < len(outcome.names) <= MAX_PARTS:
        return
    if outcome.kind == "boxes":
        for place, name in enumerate(outcome.names):
            yield name, _of_class(outcome, place)
    if outcome.kind in ("labels", "values", "quantiles"):
        for place, name in enumerate(outcome.names):
            yield name, outcome.column(place)


def _of_class(outcome: Outcome, place: int) -> Outcome:
    """Return an outcome of boxes in which the boxes of all other classes only fill up."""
    prediction, target = outcome.prediction.copy(), outcome.target.copy()
    for boxes in (prediction, target):
        boxes[boxes[..., 0] != place, 0] = -1
    return Outcome("boxes", prediction, target, outcome.names)


def slice_metrics(outcome: Outcome, metrics: Metrics, gap_metrics: Sequence[str]) -> dict[str, ModuleType]:
    """Return what is asked of each group: the metrics, for a choice of two those of fairness, and those of gaps."""
    is_choice = outcome.kind == "classes" and outcome.prediction.shape[1] == 2
    names = dict.fromkeys([*metrics, *(FAIR if is_choice else ()), *gap_metrics])
    return {name: registry.load("metrics", name) for name in names}


def sliced(
    outcome: Outcome, table: pa.Table, metrics: Metrics, recipe: Recipe
) -> tuple[tuple[Group, ...], tuple[Gap, ...]]:
    """Score the groups of each column of the table, and find how far they lie apart."""
    groups: list[Group] = []
    gaps: list[Gap] = []
    for column in table.column_names:
        found, drawn = [], []
        for place, (value, rows) in enumerate(_slices.groups(table[column], column)):
            inside = outcome.take(rows)
            of_group = resample({"": inside}, metrics, recipe.evaluate.bootstrap, (recipe.seed, place))[""]
            scores = {name: interval(value_of(module, inside), of_group[name]) for name, module in metrics.items()}
            few = tuple(name for name, module in metrics.items() if _counted(module, inside) < _slices.SMALL)
            found.append(Group(column, value, len(rows), len(rows) < _slices.SMALL, scores, few))
            drawn.append(of_group)
        groups += found
        gaps += [_gap(column, name, found, drawn) for name in metrics]
    return tuple(groups), tuple(gaps)


def _counted(module: ModuleType, inside: Outcome) -> int:
    return int(module.counted(inside).sum()) if hasattr(module, "counted") else len(inside.target)


def _gap(column: str, metric: str, groups: Sequence[Group], drawn: Sequence[Mapping[str, np.ndarray]]) -> Gap:
    """Return the largest difference between two groups that say enough."""
    values = np.array([group.scores[metric].value for group in groups])
    is_left_out = np.array([metric in group.few for group in groups], dtype=bool) | np.isnan(values)
    left_out = tuple(group.value for group, is_out in zip(groups, is_left_out, strict=True) if is_out)
    places = np.flatnonzero(~is_left_out)
    name = FAIR.get(metric, "")
    if len(places) < 2:
        undefined = float("nan")
        return Gap(column, metric, name, Interval(undefined, undefined, undefined), "", "", left_out)
    high, low = places[values[places].argmax()], places[values[places].argmin()]
    difference = interval(float(values[high] - values[low]), drawn[high][metric] - drawn[low][metric])
    return Gap(column, metric, name, difference, groups[high].value, groups[low].value, left_out)


def explained(gaps: Sequence[Gap]) -> tuple[str, ...]:
    """Return what stands behind the gaps, in words."""
    if not gaps:
        return ()
    return (
        f"gaps: the largest difference between two groups of a column, those of fewer than {_slices.SMALL} rows that "
        "count for the metric left out; intervals: of the two groups found, rows drawn within each",
    )


def warnings(groups: Sequence[Group], gaps: Sequence[Gap]) -> tuple[str, ...]:
    """Return a sentence for each group that says little, and for each metric a gap of which had to leave one out."""
    told = [
        f"slice {group.column} = {group.value}: {group.rows:,} rows, fewer than {_slices.SMALL}: its scores say little"
        for group in groups
        if group.is_small
    ]
    small = {(group.column, group.value) for group in groups if group.is_small}
    for gap in gaps:
        others = [value for value in gap.left_out if (gap.column, value) not in small]
        if others:
            told.append(
                f"slice {gap.column}: the gap of {gap.metric} leaves out {', '.join(others)}: "
                f"fewer than {_slices.SMALL} rows count for it there"
            )
    return tuple(told)
