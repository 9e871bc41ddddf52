"""The Listener of the command line: a progress bar on a terminal, a plain line now and then anywhere else."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from dlw.cli.screen import caution, cell, clean, console, figure, say

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PLAIN_SECONDS = 10.0
_TERMINAL_SECONDS = 1.0
_NARROW = 60


class Terminal:
    """Draws a verb's work on stderr; `is_quiet` leaves only the warnings. Use it as a context manager."""

    def __init__(self, is_quiet: bool = False) -> None:
        self._is_quiet = is_quiet
        self._has_bar = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._stage = ""
        self._last_line = time.monotonic()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def line(self, text: str) -> None:
        """Print a line above the bar."""
        if self._is_quiet:
            return
        if self._bar is not None:
            self._bar.console.print(clean(text))
        else:
            say(text)
        self._last_line = time.monotonic()

    def warn(self, text: str) -> None:
        """Print a warning, also when quiet."""
        if self._bar is not None:
            self._bar.console.print(f"warning: {clean(text)}", style="yellow")
        else:
            caution("warning", text)

    def progress(self, stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
        """Move the bar; where there is none, print a line every ten seconds, and the last of a stage that had any.

        Each validation is a line anywhere.
        """
        if self._is_quiet:
            return
        if stage == "validation":
            self._validation(f"step {done:>{len(str(total))}}/{total}  {_validated(values)}", done == total)
        elif self._has_bar:
            self._move_bar(stage, done, total, values)
        elif time.monotonic() - self._last_line >= _PLAIN_SECONDS or (done == total and stage == self._stage):
            self._stage = "" if done == total else stage
            say(f"{stage} {done}/{total}  {_figures(_of_stage(stage, values))}".rstrip())
            self._last_line = time.monotonic()

    def _validation(self, text: str, is_last: bool) -> None:
        """Print a validation: all of them into a log, on a terminal one a second, each on one line."""
        if self._bar is None:
            self.line(text)
        elif is_last or time.monotonic() - self._last_line >= _TERMINAL_SECONDS:
            self._bar.console.print(clean(text), no_wrap=True, overflow="ellipsis")
            self._last_line = time.monotonic()

    def _move_bar(self, stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
        if self._bar is None:
            self._bar = _new_bar()
            self._bar.start()
        if self._task is None or stage != self._stage:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(cell(stage), total=total, figures="")
            self._stage = stage
        self._bar.update(self._task, completed=done, total=total, figures=_figures(_of_stage(stage, values)))

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            self._task = None


def _new_bar() -> Progress:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    screen = console(sys.stderr)
    if screen.width < _NARROW:
        return Progress(TextColumn("{task.description}"), TaskProgressColumn(), console=screen, transient=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(compact=True),
        console=screen,
        transient=True,
        refresh_per_second=4,
    )


def _validated(values: Mapping[str, float]) -> str:
    """Return the training's and the validation's figures, each under its bare name."""
    parts = {"": "train/", "validation: ": "validation/"}
    said = [
        label
        + _figures({name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)})
        for label, prefix in parts.items()
        if any(name.startswith(prefix) for name in values)
    ]
    return "  ".join(said) or _figures(values)


def _of_stage(stage: str, values: Mapping[str, float]) -> dict[str, float]:
    """Return the stage's own values by bare names (`loss` for `train/loss`), or all if it has none."""
    own = {name.removeprefix(f"{stage}/"): value for name, value in values.items() if name.startswith(f"{stage}/")}
    return own or dict(values)


def _figures(values: Mapping[str, float]) -> str:
    return "  ".join(f"{cell(name)} {figure(value)}" for name, value in values.items())
