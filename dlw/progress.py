"""How verbs tell what they are doing: they never print, they call a Listener."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Listener(Protocol):
    """Hears of a verb's work; the command line draws it."""

    def line(self, text: str) -> None:
        """Say something worth a line: what `auto` chose, where things are written."""
        ...

    def warn(self, text: str) -> None:
        """Say something the user should act on."""
        ...

    def progress(self, stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
        """Report `done` of `total` units of a stage; called a few times a second at most."""
        ...


class Silent:
    """A Listener that keeps quiet, for use from Python."""

    def line(self, text: str) -> None:
        """Ignore."""

    def warn(self, text: str) -> None:
        """Ignore."""

    def progress(self, stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
        """Ignore."""
