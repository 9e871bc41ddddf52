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


class Heard:
    """Passes everything on and keeps the warnings."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.warnings: list[str] = []

    def line(self, text: str) -> None:
        """See Listener."""
        self._listener.line(text)

    def warn(self, text: str) -> None:
        """See Listener."""
        self.warnings.append(text)
        self._listener.warn(text)

    def progress(self, stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
        """See Listener."""
        self._listener.progress(stage, done, total, values)


def size_text(num_bytes: float) -> str:
    """Return bytes as people say them: `3.4 KiB`, `512 MiB`, `1,200 GiB`."""
    amount, unit = float(num_bytes), "bytes"
    for larger in ("KiB", "MiB", "GiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:,.1f} {unit}" if amount < 10 and unit != "bytes" else f"{amount:,.0f} {unit}"
