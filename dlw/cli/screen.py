"""Everything that reaches the terminal goes through here: results to stdout, all else to stderr.

Text that may come from data is cleaned of control characters; a reader that has gone away is not an error; NO_COLOR,
pipes and plain-ASCII terminals get plain text.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

# C0 and C1 controls but newline, DEL, the characters that reorder text, and halves of surrogate pairs.
_UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_PIPE_WIDTH = 200


def prepare_streams() -> None:
    """Make both streams able to take any text, also in the C locale and when one of them was closed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - lives as long as we do
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def clean(text: object) -> str:
    """Return the text with control, bidirectional and unpaired characters shown as escapes; newlines stay."""
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), str(text))


def cell(text: object) -> str:
    """Return the text for one cell of a table: cleaned, on one line."""
    return clean(text).replace("\n", "\\n")


def figure(value: float | None) -> str:
    """Return a number for people: four digits that count, thousands in groups, `-` where it is undefined."""
    if value is None or value != value:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def tell(text: str) -> None:
    """Write a result to stdout."""
    _write(sys.stdout, clean(text) + "\n")


def say(text: str) -> None:
    """Write anything but a result to stderr."""
    _write(sys.stderr, clean(text) + "\n")


def flow(text: str, *, to_user: bool = False) -> None:
    """Write a piece of a result to stdout as it comes, or `to_user` of a prompt to stderr, without a line break."""
    _write(sys.stderr if to_user else sys.stdout, clean(text))


def caution(label: str, text: str) -> None:
    """Write `label: text` to stderr, the label in red for errors and yellow for the rest."""
    if has_colour(sys.stderr):
        label = f"\x1b[{31 if label == 'error' else 33}m{clean(label)}\x1b[0m"
    _write(sys.stderr, f"{label}: {clean(text)}\n")


def emit(data: Mapping[str, Any]) -> None:
    """Write one JSON object to stdout; a NaN or infinity becomes null, because JSON has neither."""
    import json

    from dlw.runs.disk import finite

    _write(sys.stdout, json.dumps(finite(data), ensure_ascii=True, indent=2, allow_nan=False, default=str) + "\n")


def has_colour(stream: TextIO) -> bool:
    """Return whether escape codes are welcome on the stream."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def screen_width() -> int:
    """Return the columns of the terminal, or plenty for a pipe."""
    if not sys.stdout.isatty():
        return _PIPE_WIDTH
    import shutil

    return max(20, shutil.get_terminal_size().columns)


def console(stream: TextIO) -> Console:
    """Return a rich console on the stream: terminal width or wide for a pipe, no markup, colour only where welcome."""
    from rich.console import Console

    return Console(
        file=stream,
        width=None if stream.isatty() else _PIPE_WIDTH,
        color_system="auto" if has_colour(stream) else None,
        force_terminal=False if not stream.isatty() else None,
        markup=False,
        highlight=False,
        emoji=False,
    )


def table(*columns: str, numeric: Sequence[str] = ()) -> Table:
    """Return an empty borderless table; the columns named in `numeric` are set flush right."""
    from rich.table import Table

    empty = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        empty.add_column(name, justify="right" if name in numeric else "left", overflow="fold")
    return empty


def add_row(rows: Table, *cells: object) -> None:
    """Add a row of cleaned cells."""
    from rich.text import Text

    rows.add_row(*(Text(cell(value)) for value in cells))


def draw(what: RenderableType) -> None:
    """Render something of rich's to stdout."""
    out = console(sys.stdout)
    with out.capture() as drawn:
        out.print(what)
    lines = [line.rstrip() for line in drawn.get().splitlines()]
    _write(sys.stdout, "".join(f"{line}\n" for line in lines))


def finish() -> None:
    """Flush both streams; a closed pipe is no error."""
    for stream in (sys.stdout, sys.stderr):
        _write(stream, "")


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        # The reader has left (`| head -1`): whatever follows goes nowhere, and the work goes on.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
