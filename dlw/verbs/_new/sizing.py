"""What a training is sized by, and how its length follows: minutes on a CPU.

Budgets count what costs time (pixels, seconds of sound, rows); each was set from the time of a shipped recipe.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from typing import Any

import numpy as np

from dlw.verbs._new.columns import Column

ONE_CYCLE = {"type": "one_cycle", "warmup_fraction": 0.2}


@dataclass(frozen=True)
class Sizes:
    """What a training is sized by. Pictures as (height, width, channels), sound in seconds for all training rows."""

    rows: int
    picture: tuple[int, int, int] | None = None
    seconds: float = 0.0
    targets: tuple[Column, ...] = ()
    steps: int = 1
    is_log: bool = False
    is_plain_text: bool = False


@dataclass(frozen=True)
class Network:
    """The sections that decide the network and its training; `notes` are reasons by section."""

    model: dict[str, Any]
    optimizer: dict[str, Any]
    train: dict[str, Any]
    lr_scheduler: dict[str, Any] = field(default_factory=lambda: dict(ONE_CYCLE))
    task: dict[str, Any] = field(default_factory=dict)
    augment: list[str | dict[str, Any]] = field(default_factory=list)
    picture: dict[str, Any] = field(default_factory=dict)
    checkpoint: dict[str, Any] = field(default_factory=dict)
    evaluate: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def length(seen: float, sizes: Sizes, batch_size: int, least: int, most: int, **others: Any) -> dict[str, Any]:
    """Return `train` so that about `seen` rows are learned from: passes, or steps where that is less than one."""
    batch_size = max(2, min(batch_size, sizes.rows))
    passes = seen / sizes.rows
    if passes < 1:
        steps = max(10, round(seen / batch_size))
        return {"steps": steps, "batch_size": batch_size, "validate_every": f"{ceil(steps / 4)} steps", **others}
    epochs = int(np.clip(round(passes), least, most))
    every = {"validate_every": f"{epochs // 10} epochs"} if epochs >= 20 else {}
    return {"epochs": epochs, "batch_size": batch_size, **others, **every}
