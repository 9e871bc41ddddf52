"""What a command answered, and the type of the fixture `dlw` that asks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


Dlw = Callable[..., Answer]
