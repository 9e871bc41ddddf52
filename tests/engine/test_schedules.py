"""The learning rate over a run."""

from __future__ import annotations

import pytest

from dlw.engine.schedules import factor
from dlw.recipe.schema import Scheduler

KINDS = ("one_cycle", "cosine", "linear", "constant")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("warmup", [0.0, 0.3, 1.0])
def test_stays_within_bounds_and_rises_then_falls(kind: str, warmup: float) -> None:
    scheduler = Scheduler(type=kind, warmup_fraction=warmup, final_fraction=0.0)  # type: ignore[arg-type]
    factors = [factor(scheduler, step, 100) for step in range(100)]
    assert all(0 < value <= 1 for value in factors)
    peak = factors.index(max(factors))
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)


@pytest.mark.parametrize("kind", ["one_cycle", "cosine", "linear"])
def test_ends_at_the_final_fraction(kind: str) -> None:
    scheduler = Scheduler(type=kind, warmup_fraction=0.1, final_fraction=0.2)  # type: ignore[arg-type]
    assert factor(scheduler, 10_000, 10_000) == pytest.approx(0.2, abs=1e-3)


def test_one_step_is_possible() -> None:
    assert all(0 < factor(Scheduler(type=kind), 0, 1) <= 1 for kind in KINDS)  # type: ignore[arg-type]
