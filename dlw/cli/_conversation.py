"""`dlw predict` on a terminal: a text shown as it is written, and --interactive, a line in and a text out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlw.cli.screen import flow, say
from dlw.errors import UsageError

if TYPE_CHECKING:
    from dlw.verbs.chat import Correspondent


def converse(
    target: Path,
    texts: Sequence[str],
    sets: Sequence[str],
    threads: int | None,
    is_quiet: bool,
    *,
    is_asked: bool,
    is_alone: bool,
) -> bool:
    """Hold a conversation where one `is_asked` for, or show the writing of one text on a terminal; False if neither.

    `is_alone` says that nothing else is asked for.
    """
    if not is_asked and (not is_alone or len(texts) != 1 or not sys.stdout.isatty()):
        return False
    if is_asked and (texts or not is_alone):
        raise UsageError("--interactive reads what you type: leave out INPUT, --text and options of other answers")
    from dlw.cli.terminal import Terminal
    from dlw.verbs.chat import Correspondent

    with Terminal(is_quiet) as listener:
        other = Correspondent(target, sets, threads, listener)
        if is_asked and not other.is_writing:
            raise UsageError(f"{target}: its network does not write texts; give files to answer for")
        if is_asked:
            _talk(other)
        elif other.is_writing:
            flow(texts[0] if other.is_continuing else "")
            _show(other, texts[0])
    return other.is_writing


def _talk(other: Correspondent) -> None:
    """Answer line after line of stdin until an empty one or its end."""
    say(f"what you type is {'continued' if other.is_continuing else 'answered'}; an empty line ends it")
    while True:
        flow("> " if sys.stdin.isatty() else "", to_user=True)
        line = sys.stdin.buffer.readline().decode("utf-8", "replace").rstrip("\r\n")
        if not line:
            return
        _show(other, line)


def _show(other: Correspondent, text: str) -> None:
    for piece in other.write(text):
        flow(piece)
    flow("\n")
