"""A Listener that remembers, for tests of what is told."""

from __future__ import annotations

from collections.abc import Mapping


class Heard:
    """Keeps lines and warnings; progress never leaves its range."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def line(self, text: str) -> None:
        """Keep a line."""
        self.lines.append(text)

    def warn(self, text: str) -> None:
        """Keep a warning."""
        self.warnings.append(text)

    def progress(self, stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
        """Hold the count between nothing and all."""
        assert 0 <= done <= total
