"""Texts piece by piece as they are written, and conversations: what `dlw predict` shows on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dlw.errors import UsageError
from dlw.progress import Listener, Silent
from dlw.verbs._bundle import open_target
from dlw.verbs._style import restyled
from dlw.verbs._writing import Scribe


class Correspondent:
    """A network that writes, asked again and again; in a chat it remembers what was said."""

    def __init__(
        self, target: Path, sets: Sequence[str] = (), threads: int | None = None, listener: Listener | None = None
    ) -> None:
        answerer = restyled(open_target(target, threads, listener), sets)
        self.is_writing = answerer.writer is not None
        """Whether the network writes at all: nothing else can be asked of it here if not."""
        if answerer.writer is not None:
            self._scribe = Scribe(answerer.task, answerer.fitted, answerer.writer)
        self._listener = listener or Silent()
        self._messages: list[dict[str, str]] = []
        self._num_written = 0

    @property
    def is_chat(self) -> bool:
        """Whether the network learned from messages with roles."""
        return self._scribe.column.type == "messages"

    @property
    def is_continuing(self) -> bool:
        """Whether what is written goes on from the text itself, instead of answering or translating it."""
        return not self.is_chat and not self._scribe.task.output.is_told

    def write(self, text: str) -> Iterator[str]:
        """Yield what follows a text, or what answers it, piece by piece; a chat goes on from what was said before."""
        import pyarrow as pa

        value: Any = text
        if self.is_chat:
            self._messages.append({"role": "user", "content": text})
            value = self._messages
        columns = [column.name for column in self._scribe.fitted.columns if column.role == "input"]
        if len(columns) != 1:
            raise UsageError(f"this network reads {', '.join(columns)}: give a table that has them")
        table = pa.table({columns[0]: pa.array([value])})
        encoded = self._scribe.fitted.prompted.encode(table, with_target=False, listener=self._listener, max_bad=0.0)
        said = ""
        number, self._num_written = self._num_written, self._num_written + 1
        for piece in self._scribe.stream(encoded.arrays, number):
            said += piece
            yield piece
        if self.is_chat:
            self._messages.append({"role": "assistant", "content": said})
