"""Bootstrap: the same metric on rows drawn again and again, for several predictors on the same draws.

Rows are drawn with replacement (Efron 1979); a draw is a vector of counts, so that a metric which is a mean of its rows
costs one matrix product for all draws. Predictors share the draws, so their differences are paired.
Shape legend: N rows, R resamples, M metrics.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from dlw.metrics._base import value_of
from dlw.specs import Outcome

CHUNK_ENTRIES = 2_000_000
"""Entries of the count matrix held at a time: 16 MB."""
LEVEL = 0.95

Seed = int | tuple[int, ...]


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval; NaN where undefined, low and high also where there were no resamples."""

    value: float
    low: float
    high: float


def resample(
    outcomes: Mapping[str, Outcome], metrics: Mapping[str, ModuleType], resamples: int, seed: Seed
) -> dict[str, dict[str, np.ndarray]]:
    """Return for each outcome and metric the metric on every draw [R]; all outcomes are of the same rows."""
    rows = len(next(iter(outcomes.values())).target)
    drawn: dict[str, dict[str, list[np.ndarray]]] = {who: {name: [] for name in metrics} for who in outcomes}
    for count_RN in _draws(rows, resamples, seed):
        for who, outcome in outcomes.items():
            for name, values_R in _on_draws(outcome, metrics, count_RN).items():
                drawn[who][name].append(values_R)
    none = np.zeros(0)
    return {
        who: {name: np.concatenate(parts) if parts else none for name, parts in of.items()} for who, of in drawn.items()
    }


def interval(value: float, values_R: np.ndarray) -> Interval:
    """Return the percentile interval; draws on which the metric is undefined are left out."""
    known = values_R[~np.isnan(values_R)]
    if not len(known) or np.isnan(value):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high))


def score(outcome: Outcome, metrics: Mapping[str, ModuleType], resamples: int, seed: int) -> dict[str, Interval]:
    """Return each metric of one outcome with its interval."""
    drawn = resample({"": outcome}, metrics, resamples, seed)[""]
    return {name: interval(value_of(module, outcome), drawn[name]) for name, module in metrics.items()}


def by_class(
    outcome: Outcome, metrics: Mapping[str, ModuleType], resamples: int, seed: int
) -> dict[str, list[Interval]]:
    """Return, for each metric that tells classes apart, the metric of each class with its interval."""
    rows = len(outcome.target)
    scored = {}
    for name, module in metrics.items():
        if hasattr(module, "by_class"):
            value_K = module.by_class(outcome, np.ones((1, rows)))[0]
            drawn = [module.by_class(outcome, count_RN) for count_RN in _draws(rows, resamples, seed)]
            drawn_RK = np.concatenate([np.zeros((0, len(value_K))), *drawn])
            scored[name] = [interval(float(value), of_R) for value, of_R in zip(value_K, drawn_RK.T, strict=True)]
    return scored


def _draws(rows: int, resamples: int, seed: Seed) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    size = max(CHUNK_ENTRIES // max(rows, 1), 1)
    for start in range(0, resamples if rows else 0, size):
        count_RN = np.empty((min(size, resamples - start), rows))
        for count_N in count_RN:
            count_N[:] = np.bincount(rng.integers(0, rows, rows), minlength=rows)
        yield count_RN


def _on_draws(outcome: Outcome, metrics: Mapping[str, ModuleType], count_RN: np.ndarray) -> dict[str, np.ndarray]:
    means = [name for name, module in metrics.items() if hasattr(module, "per_row")]
    values: dict[str, np.ndarray] = {}
    if means:
        rows_NM = np.stack([metrics[name].per_row(outcome) for name in means], axis=1)
        means_RM = count_RN @ rows_NM / count_RN.shape[1]
        values = {name: means_RM[:, place] for place, name in enumerate(means)}
    for name, module in metrics.items():
        if hasattr(module, "drawn"):
            values[name] = module.drawn(outcome, count_RN)
        elif hasattr(module, "resampled"):
            values[name] = module.resampled(outcome, count_RN)
        elif name not in values:
            values[name] = np.array([module.compute(outcome, count_N) for count_N in count_RN])
    return values
