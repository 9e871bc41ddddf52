"""The learning rate over a run, as a factor of its peak: a closed form of the step, so resuming needs no state."""

from __future__ import annotations

import math

from dlw.recipe.schema import Scheduler


def factor(scheduler: Scheduler, step: int, total: int) -> float:
    """Return the factor for optimizer step `step` (from 0) of `total`.

    Warm-up rises over the first `warmup_fraction` of the steps; the first step already learns a little.
    """
    warmup = scheduler.warmup_fraction * total
    if step + 1 <= warmup:
        rise = (step + 1) / (warmup + 1)
        return (1 - math.cos(math.pi * rise)) / 2 if scheduler.type == "one_cycle" else rise
    if scheduler.type == "constant":
        return 1.0
    done = max(0.0, step - warmup) / max(1.0, total - warmup)
    fall = (1 + math.cos(math.pi * done)) / 2 if scheduler.type in ("one_cycle", "cosine") else 1 - done
    return scheduler.final_fraction + (1 - scheduler.final_fraction) * fall
