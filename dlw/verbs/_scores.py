"""What an evaluation finds, as plain values: scores, rivals, slices, gaps, verdicts and the protocol in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dlw.metrics._base import value_of
from dlw.runs.disk import finite
from dlw.specs import Outcome
from dlw.verbs._intervals import Interval, interval, resample
from dlw.verbs._reliability import Reliability
from dlw.verbs._requirements import Verdict

if TYPE_CHECKING:
    from dlw.verbs._baseline import Rival


@dataclass(frozen=True)
class Versus:
    """A baseline on one metric, and the network minus it on the same draws."""

    score: Interval
    difference: Interval


@dataclass(frozen=True)
class Score:
    """One metric of the network with its interval, beside each baseline's."""

    metric: str
    value: float
    low: float
    high: float
    higher_is_better: bool
    baselines: dict[str, Versus]


def scored(
    outcome: Outcome, metrics: Mapping[str, ModuleType], found: Sequence[Rival], resamples: int, seed: int
) -> tuple[Score, ...]:
    """Return each metric with its interval, beside each baseline on the same draws of rows."""
    outcomes = {"": outcome, **{one.name: one.outcome for one in found}}
    drawn = resample(outcomes, metrics, resamples, seed)
    scores = []
    for name, module in metrics.items():
        own = interval(value_of(module, outcome), drawn[""][name])
        beside = {}
        for one in found:
            theirs = interval(value_of(module, one.outcome), drawn[one.name][name])
            difference = interval(own.value - theirs.value, drawn[""][name] - drawn[one.name][name])
            beside[one.name] = Versus(theirs, difference)
        scores.append(Score(name, own.value, own.low, own.high, bool(module.HIGHER_IS_BETTER), beside))
    return tuple(scores)


@dataclass(frozen=True)
class BaselineFit:
    """What a baseline was, in words, and how long fitting and answering took."""

    name: str
    note: str
    seconds: float


@dataclass(frozen=True)
class Group:
    """The metrics of some rows (`column` has `value`), or of one target or label (`column` is empty)."""

    column: str
    value: str
    rows: int
    is_small: bool
    scores: dict[str, Interval]
    few: tuple[str, ...] = ()
    """Metrics for which few of the rows count."""


@dataclass(frozen=True)
class Gap:
    """The largest difference of a metric between the groups of a column, from the `lowest` to the `highest`.

    `name` is what fairness calls it, `left_out` are the groups that say too little; NaN where fewer than two are left.
    """

    column: str
    metric: str
    name: str
    difference: Interval
    highest: str
    lowest: str
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Evaluation:
    """The scores of a run on one split. `headline` is the metric that the warnings speak of."""

    run: str
    split: str
    rows: int
    step: int
    headline: str
    scores: tuple[Score, ...]
    baselines: tuple[BaselineFit, ...]
    parts: tuple[Group, ...]
    slices: tuple[Group, ...]
    gaps: tuple[Gap, ...]
    reliability: Reliability | None
    protocol: tuple[str, ...]
    warnings: tuple[str, ...]
    requirements: tuple[Verdict, ...]
    folder: str
    unit: str = "rows"
    """What is counted as rows: rows, or windows of a text."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able mapping; what is undefined is null."""
        tree: dict[str, Any] = finite(asdict(self))
        return tree
