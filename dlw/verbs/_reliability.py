"""How far probabilities can be trusted: the reliability table, and what a temperature changed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dlw import registry
from dlw.metrics._base import value_of
from dlw.metrics._bins import NUM_BINS, sure
from dlw.specs import Outcome
from dlw.tasks._calibration import tempered


@dataclass(frozen=True)
class Bin:
    """Answers whose probability is above `low` and up to `high`: how many, how sure on average, how often right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Reliability:
    """The expected calibration error and the table behind it; `ece_before` is that without the temperature."""

    ece: float
    temperature: float | None
    ece_before: float | None
    bins: tuple[Bin, ...]


def warnings(found: Reliability | None) -> tuple[str, ...]:
    """Return a warning where the temperature, found on other rows, made these less calibrated."""
    if found is None or found.ece_before is None or found.ece <= found.ece_before:
        return ()
    return (
        f"at temperature {found.temperature:.4g} these rows are less calibrated than without it: "
        f"ece {found.ece:.4g} against {found.ece_before:.4g}",
    )


def reliability(outcome: Outcome, temperature: float | None) -> Reliability | None:
    """Return the table of classes or labels, None for answers without probabilities."""
    if outcome.kind not in ("classes", "labels"):
        return None
    ece = registry.load("metrics", "ece")
    before = None
    if temperature is not None:
        before = value_of(ece, replace(outcome, prediction=tempered(outcome.prediction, outcome.kind, 1 / temperature)))
    found = sure(outcome)
    bins = []
    for place in range(NUM_BINS):
        inside = found.bin == place
        count = int(inside.sum())
        means = [float(np.mean(values[inside])) if count else float("nan") for values in found[:2]]
        bins.append(Bin(place / NUM_BINS, (place + 1) / NUM_BINS, count, *means))
    return Reliability(value_of(ece, outcome), temperature, before, tuple(bins))
