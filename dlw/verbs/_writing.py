"""From encoded rows to written text: prompts, search, and back to words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dlw.ragged import lengths, stack, trimmed
from dlw.search import Style, Writer, stream, write
from dlw.specs import TARGET, Arrays, ragged_kinds
from dlw.tasks._base import Task
from dlw.tasks._writing import WritingSettings
from dlw.verbs._consensus import consensus
from dlw.verbs._fitted import Column, Fitted

if TYPE_CHECKING:
    from dlw.engine.team import Team

WRITTEN = "written"
"""Column of the texts that a network wrote."""
ROWS_AT_ONCE = 64
"""Rows that are written side by side."""
STOP_TOKENS = 8
"""Tokens that a character of a stop word takes at most: up to four bytes, and tokens around the word."""
UNFINISHED = "\ufffd"
"""What the bytes of a character read as before the last of them is written."""


@dataclass(frozen=True)
class Scribe:
    """A network that writes, with the task and the fields that say how: rows in, texts out."""

    task: Task
    fitted: Fitted
    writer: Writer
    team: Team | None = None
    """Processes that share the writing."""

    @property
    def style(self) -> Style:
        """How the task's settings choose tokens."""
        output = self.task.output
        options = self._settings.model_dump(include=set(Style.__dataclass_fields__))
        return Style(end=output.end, window=output.steps, **options)

    def texts(
        self, arrays: Arrays, progress: Callable[[int, int], None] = lambda done, total: None, first: int = 0
    ) -> list[str]:
        """Write one text per row; rows of about one length go together, and the answer does not depend on it.

        `first` is the number of the first row among all that are asked for: with the seed it decides what is drawn.
        The processes of a team write some rows each, and all get every text.
        """
        inputs = {name: array for name, array in arrays.items() if name != TARGET}
        ragged = ragged_kinds(self.fitted.inputs)
        total = len(next(iter(inputs.values())))
        order = np.argsort(sum((lengths(inputs[name], kind) for name, kind in ragged.items()), np.zeros(total)))
        found = [""] * total
        starts = range(0, total, ROWS_AT_ONCE)
        for start in starts[self.team.rank :: self.team.size] if self.team else starts:
            rows = order[start : start + ROWS_AT_ONCE]
            piece = trimmed({name: array[rows] for name, array in inputs.items()}, ragged)
            prompts = [self.prompt(piece, place) for place in range(len(rows))]
            written = write(
                self.writer, piece, prompts, self.style, self.task.banned, first + rows, self.is_over, self.pick
            )
            for row, prompt, tokens in zip(rows, prompts, written, strict=True):
                found[row] = self.said(self.text(prompt, tokens))
            progress(start + len(rows), total)
        if self.team:
            parts = map(json.loads, self.team.gather(json.dumps(found).encode()))
            found = [max(texts, key=len) for texts in zip(*parts, strict=True)]  # one process wrote it, if anything
        return found

    def stream(self, arrays: Arrays, number: int = 0) -> Iterator[str]:
        """Yield the text of one row piece by piece as it is written; one that is searched or chosen comes whole.

        It is drawn like the row of this number in `texts`.
        """
        if self.style.beams > 1 or self.style.candidates > 1:
            yield from self.texts(arrays, first=number)
            return
        prompt = self.prompt(arrays, 0)
        inputs = {name: array for name, array in arrays.items() if name != TARGET}
        tokens: list[int] = []
        shown = ""
        for token_B in stream(self.writer, inputs, prompt[None], self.style, self.task.banned, (number,)):
            tokens += [int(token_B[0])] if token_B[0] != self.task.output.end else []
            text = self.text(prompt, np.array(tokens, np.int32))
            if self._is_stopped(text):
                break
            ready = self._settled(text)
            yield ready[len(shown) :]
            shown = ready
        yield self.said(text)[len(shown) :]

    def prompt(self, arrays: Arrays, row: int) -> np.ndarray:
        """Return what a row's text begins with: the row itself, or nothing but the end of the text before."""
        if self.task.output.is_told:
            return np.array([self.task.output.end], np.int32)
        (group,) = self.fitted.inputs
        token_T = arrays[group][row]
        return self.task.prompt(token_T[: lengths(token_T[None], "tokens")[0]])

    def text(self, prompt: np.ndarray, tokens: np.ndarray) -> str:
        """Return what tokens say after a prompt: how a word begins may depend on the one before."""
        if "roles" in self.fitted.target.statistics:
            return self._decode([tokens])[0]
        before, whole = self._decode([prompt, np.concatenate([prompt, tokens])])
        return whole[len(before) :] if whole.startswith(before) else self._decode([tokens])[0]

    def is_over(self, prompt: np.ndarray, tokens: np.ndarray) -> bool:
        """Return whether what was written after a prompt holds a stop word; see search.IsOver."""
        words = self._settings.stop
        if not words:
            return False
        last = tokens[-STOP_TOKENS * max(map(len, words)) :]  # to read all of it after each token would take too long
        return self._is_stopped(self._decode([last])[0]) and self._is_stopped(self.text(prompt, tokens))

    def pick(self, prompt: np.ndarray, candidates: Sequence[np.ndarray]) -> int:
        """Return which of the texts drawn after a prompt is taken; see search.Pick."""
        return consensus([self.said(self.text(prompt, tokens)) for tokens in candidates]) if candidates[1:] else 0

    def said(self, text: str) -> str:
        """Return a text up to the first of the stop words, and without half a character at its end."""
        places = [place for word in self._settings.stop if (place := text.find(word)) >= 0]
        return text[: min(places, default=len(text))].rstrip(UNFINISHED)

    def _is_stopped(self, text: str) -> bool:
        return any(word in text for word in self._settings.stop)

    def _settled(self, text: str) -> str:
        """Return what later tokens do not change: no half character, nothing that may begin a stop word."""
        text, words = text.rstrip(UNFINISHED), self._settings.stop
        held = max((n for word in words for n in range(len(word)) if text.endswith(word[:n])), default=0)
        return text[: len(text) - held].rstrip(UNFINISHED)

    def _decode(self, rows: Sequence[np.ndarray]) -> list[str]:
        column = self.column
        return [text or "" for text in column.field.decode(stack(rows, "tokens", "int32"), column.state)]

    @property
    def _settings(self) -> WritingSettings:
        assert self.task.writing is not None, "only tasks that write are asked to"
        return self.task.writing

    @property
    def column(self) -> Column:
        """The column that texts are written for."""
        name = self.fitted.own_target or self.fitted.target.columns[0]
        return next(column for column in self.fitted.columns if column.name == name)
