"""`dlw runs compare`: two runs on the same rows, with paired tests of the difference and what their recipes differ in.

The interval is that of a paired bootstrap: both runs are scored on the same rows drawn with replacement (Efron 1979,
doi:10.1214/aos/1176344552; Koehn 2004 for such tests of systems, aclanthology.org/W04-3250). Where a metric is a share
of right rows, McNemar's exact test counts the rows that only one of them has right (McNemar 1947,
doi:10.1007/BF02295996; Dietterich 1998, doi:10.1162/089976698300017197, for classifiers).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from dlw import registry
from dlw.errors import DataError, RunError, UsageError
from dlw.metrics._base import value_of
from dlw.recipe.check import load_recipe
from dlw.recipe.difference import diff
from dlw.runs.disk import finite
from dlw.runs.layout import Run, open_run
from dlw.specs import Outcome
from dlw.verbs import _outcomes
from dlw.verbs._intervals import Interval, interval, resample

RESAMPLES = 1000
SEED = 0
_OVERLAPPING = ("forecast", "forecast_quantiles", "nats")
_YARDSTICKS = {
    "positive": "positive class",
    "costs": "costs",
    "scale": "scale of errors",
    "season": "season",
    "seasonal_error": "seasonal error",
    "counts": "item counts",
}
"""What a run brings along that metrics judge answers by, and what it is called."""


@dataclass(frozen=True)
class McNemar:
    """Rows that only one of two runs has right, and the chance of a split as uneven as that between equals."""

    only_first: int
    only_second: int
    p_value: float


@dataclass(frozen=True)
class Compared:
    """One metric of both runs; `difference` is second minus first with its 95 % interval."""

    metric: str
    first: float
    second: float
    difference: Interval
    better: str
    """`first`, `second`, or `neither` where the interval holds 0."""
    mcnemar: McNemar | None


@dataclass(frozen=True)
class Comparison:
    """Two runs on the same rows. `recipe` lists (path, value first, value second)."""

    first: str
    second: str
    split: str
    rows: int
    metrics: tuple[Compared, ...]
    recipe: tuple[tuple[str, Any, Any], ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able mapping; what is undefined is null."""
        tree: dict[str, Any] = finite(asdict(self))
        tree["recipe"] = [{"path": path, "first": left, "second": right} for path, left, right in self.recipe]
        return tree


def compare(first: Path, second: Path, *, split: str = "test") -> Comparison:
    """Compare two runs by their stored evaluations on a split.

    Raises RunError where one was not evaluated, DataError where they were judged on different rows, UsageError where
    they answer with different things.
    """
    runs = [open_run(folder) for folder in (first, second)]
    kept = [_outcomes.read(run.evaluation(split) / _outcomes.FILE) for run in runs]
    left = kept[0].outcome
    right, lent = _by_one_yardstick(_aligned(kept[1].outcome, left, second), left)
    _require_same_rows(kept[0], replace(kept[1], outcome=right), (first, second))
    names = [name for name in _metrics(runs[0], split) if name in _metrics(runs[1], split)]
    modules = {name: registry.load("metrics", name) for name in names}
    metrics = {name: module for name, module in modules.items() if left.kind in module.KINDS}
    if not metrics:
        raise UsageError(f"{first} and {second}: no metric was computed for both; set the same `evaluate.metrics`")
    drawn = resample({"first": left, "second": right}, metrics, RESAMPLES, SEED)
    compared = tuple(_compared(name, metrics[name], left, right, drawn) for name in metrics)
    notes = [f"second minus first; 95 % intervals from {RESAMPLES:,} paired bootstrap draws of rows, seed {SEED}"]
    if left.kind in _OVERLAPPING:
        notes.append("windows overlap or follow one another: the intervals are too narrow")
    if others := [name for name in names if name not in metrics]:
        notes.append(f"{', '.join(others)}: judged on what was written beside, which is not compared")
    if lent:
        notes.append(f"both are judged by the {' and the '.join(lent)} of the first")
    if any(one.mcnemar for one in compared):
        notes.append("p: McNemar's exact test on the rows that only one run has right")
    recipes = diff(*(load_recipe(run.resolved) for run in runs))
    return Comparison(str(first), str(second), split, len(left.target), compared, tuple(recipes), tuple(notes))


def _compared(
    name: str, module: ModuleType, left: Outcome, right: Outcome, drawn: Mapping[str, Mapping[str, np.ndarray]]
) -> Compared:
    values = value_of(module, left), value_of(module, right)
    difference = interval(values[1] - values[0], drawn["second"][name] - drawn["first"][name])
    better = "neither"
    if difference.low > 0 or difference.high < 0:
        better = "second" if (difference.low > 0) == bool(module.HIGHER_IS_BETTER) else "first"
    return Compared(name, *values, difference, better, _mcnemar(module, left, right))


def _mcnemar(module: ModuleType, left: Outcome, right: Outcome) -> McNemar | None:
    """Return the test where the metric calls each row right or wrong."""
    if not hasattr(module, "per_row"):
        return None
    first_N, second_N = module.per_row(left), module.per_row(right)
    if not np.isin([first_N, second_N], (0.0, 1.0)).all():
        return None
    only_first, only_second = int((first_N > second_N).sum()), int((second_N > first_N).sum())
    return McNemar(only_first, only_second, exact_p(only_first, only_second))


def exact_p(only_first: int, only_second: int) -> float:
    """Return the two-sided chance that fair coins split as unevenly as this, by the binomial distribution."""
    from scipy.stats import binomtest

    total = only_first + only_second
    return float(binomtest(only_first, total).pvalue) if total else 1.0


def _metrics(run: Run, split: str) -> list[str]:
    file = run.evaluation(split) / "metrics.json"
    try:
        return [score["metric"] for score in json.loads(file.read_bytes())["scores"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{file}: cannot be read ({error}); evaluate the run again") from error


def _aligned(outcome: Outcome, like: Outcome, run: Path) -> Outcome:
    """Return an outcome with its classes or columns in the order of another; UsageError where they are not the same."""
    if outcome.kind != like.kind or sorted(outcome.names) != sorted(like.names) or outcome.levels != like.levels:
        raise UsageError(
            f"{run}: answers with {outcome.kind} of {_listed(outcome.names)}, the other run with {like.kind} of "
            f"{_listed(like.names)}: nothing to compare"
        )
    if outcome.names == like.names:
        return outcome
    if outcome.kind not in ("classes", "labels", "values"):
        raise UsageError(f"{run}: its {len(outcome.names)} names stand in another order than those of the other run")
    order = np.array([outcome.names.index(name) for name in like.names])
    prediction = outcome.prediction[:, order]
    if outcome.kind != "classes":
        thresholds = tuple(outcome.thresholds[place] for place in order) if outcome.thresholds else ()
        target = outcome.target[:, order]
        return replace(outcome, prediction=prediction, target=target, names=like.names, thresholds=thresholds)
    place = np.argsort(order)
    positive = int(place[outcome.positive])
    return replace(outcome, prediction=prediction, target=place[outcome.target], names=like.names, positive=positive)


def _by_one_yardstick(outcome: Outcome, like: Outcome) -> tuple[Outcome, list[str]]:
    """Return an outcome to be judged by what another one is judged by, its decisions kept, and what that changes."""
    differing = [name for name in _YARDSTICKS if getattr(outcome, name) != getattr(like, name)]
    thresholds = outcome.thresholds
    if "positive" in differing:
        # No from 1 - t on, and at t itself still yes.
        thresholds = tuple(float(np.nextafter(1 - least, 2)) for least in thresholds)
    changes = {name: getattr(like, name) for name in differing}
    return replace(outcome, thresholds=thresholds, **changes), [_YARDSTICKS[name] for name in differing]


def _require_same_rows(left: _outcomes.Kept, right: _outcomes.Kept, runs: tuple[Path, Path]) -> None:
    """Refuse rows that are not the same in number, truth and every column that both evaluations had."""
    first, second = left.outcome, right.outcome
    advice = "evaluate both on the same data and split"
    if len(first.target) != len(second.target):
        counts = f"{len(first.target):,} and {len(second.target):,} rows"
        raise DataError(f"{runs[0]} and {runs[1]} were judged on {counts}; {advice}")
    common = [name for name in left.columns if name in right.columns]
    differing = [name for name in common if left.columns[name] != right.columns[name]]
    is_same_truth = first.target.shape == second.target.shape and np.array_equal(
        first.target, second.target, equal_nan=first.target.dtype.kind == "f"
    )
    if differing or not is_same_truth:
        what = f"column {', '.join(differing[:5])}" if differing else "the truth"
        raise DataError(f"{runs[0]} and {runs[1]} were judged on different rows: {what} differs; {advice}")


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "") if names else "no names"
