"""Texts joined into one stream of tokens and cut into windows, so that no step of a language model meets fill.

The stream is `end, text, end, text, ..., end`: every text follows an end, and its own end is to be predicted; rows of
one running text have no end between them. A window is a place in the stream, so windows that overlap cost no memory.
Shape legend: N rows of text, S tokens of the stream, W windows, C tokens of context.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

PIECES_AT_ONCE = 2**24
"""Tokens of the stream that are looked at together where it lies on disk."""


@dataclass(frozen=True)
class Packing:
    """How a task wants its texts: windows of `context` tokens, starting `train_stride` tokens apart in training and
    `stride` apart where every token is to be judged once. Without `is_separate`, rows are one running text."""

    context: int
    train_stride: int
    stride: int
    is_separate: bool = True


@dataclass(frozen=True)
class Stream:
    """The joined texts of a split, int32 [S], perhaps on disk; `starts` int64 [N] says where each text begins."""

    token_S: np.ndarray
    starts: np.ndarray


@dataclass(frozen=True)
class Turns:
    """Whose turn it is in a stream of conversations: where turns begin and end, int64 [M] in order, and after which of
    these places the assistant speaks, bool [M]."""

    places: np.ndarray
    is_assistant: np.ndarray

    def are_learned(self, place: np.ndarray) -> np.ndarray:
        """Return whether the token after each place of the stream belongs to the assistant's turn, its end included."""
        last = np.searchsorted(self.places, place, side="right") - 1
        return np.asarray((last >= 0) & self.is_assistant[np.maximum(last, 0)])


@dataclass(frozen=True)
class Windows:
    """Windows of a stream by number: the tokens and, one step on, what is to be predicted.

    `starts` int64 [W] are places in the stream; the first `skips` [W] predictions of a window do not count: they belong
    to the window before. With `turns` only what the assistant says is learned.
    """

    stream: Stream
    starts: np.ndarray
    skips: np.ndarray
    context: int
    turns: Turns | None = None

    @property
    def rows(self) -> np.ndarray:
        """int64 [W]: the text that each window begins in."""
        return np.maximum(np.searchsorted(self.stream.starts, self.starts + 1, side="right") - 1, 0)

    def take(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return tokens and targets, int32 [n, C]; a target of 0 does not count."""
        places = self.starts[windows][:, None] + np.arange(self.context + 1)
        token = np.asarray(self.stream.token_S[places], np.int32)
        target = token[:, 1:].copy()
        skip = self.skips[windows]
        if skip.any():
            target[np.arange(self.context) < skip[:, None]] = 0
        if self.turns is not None:
            target[~self.turns.are_learned(places[:, :-1])] = 0
        return token[:, :-1], target


def join(pieces: Iterable[np.ndarray], end: int, *, is_separate: bool = True, file: Path | None = None) -> Stream:
    """Join rows of tokens [N, T], 0 after each end, into a stream: in memory, or written to `file` and mapped."""
    starts: list[np.ndarray] = []
    last = np.array([end], np.int32)
    parts = [last]
    size = 1
    with file.open("wb") if file else nullcontext() as output:
        for token_NT in pieces:
            lengths = (token_NT != 0).sum(axis=1)
            if is_separate:
                token_NT = np.pad(token_NT, [(0, 0), (0, 1)])
                token_NT[np.arange(len(token_NT)), lengths] = end
                lengths = lengths + 1
            starts.append(size + np.cumsum(lengths) - lengths)
            parts.append(token_NT[np.arange(token_NT.shape[1]) < lengths[:, None]])
            size += int(lengths.sum())
            if output is not None:
                output.write(b"".join(part.tobytes() for part in parts))
                parts = []
        parts += [] if is_separate else [last]
        if output is not None:
            output.write(b"".join(part.tobytes() for part in parts))
    token_S = np.concatenate(parts) if file is None else np.memmap(file, np.int32, "r")
    return Stream(token_S, np.concatenate(starts))


def training_windows(stream: Stream, packing: Packing, end: int, roles: Mapping[str, int]) -> Windows:
    """Return the windows of a training split; the tail that fills no window is in the last one, which overlaps."""
    starts, context = _starts(stream, packing.context, packing.train_stride)
    windows = Windows(stream, starts, np.zeros_like(starts), context, _turns(stream, end, roles))
    return _learnable(windows) if roles else windows


def judging_windows(stream: Stream, packing: Packing, end: int, roles: Mapping[str, int]) -> Windows:
    """Return windows in which every token of the stream but the first counts exactly once."""
    starts, context = _starts(stream, packing.context, packing.stride)
    skips = np.concatenate([[0], starts[:-1] + context - starts[1:]])
    return Windows(stream, starts, np.maximum(skips, 0), context, _turns(stream, end, roles))


def _turns(stream: Stream, end: int, roles: Mapping[str, int]) -> Turns | None:
    """Find the turns of a stream; None where it has no roles."""
    if not roles:
        return None
    marks = [end, *roles.values()]
    pieces = range(0, len(stream.token_S), PIECES_AT_ONCE)
    found = [start + np.flatnonzero(np.isin(stream.token_S[start : start + PIECES_AT_ONCE], marks)) for start in pieces]
    places = np.concatenate(found)
    return Turns(places, stream.token_S[places] == roles["assistant"])


def _starts(stream: Stream, context: int, stride: int) -> tuple[np.ndarray, int]:
    """Return where windows begin and how long they are: a stream shorter than the context is one window."""
    context = min(context, len(stream.token_S) - 1)
    last = len(stream.token_S) - 1 - context
    return np.append(np.arange(0, last, stride, dtype=np.int64), last), context


def _learnable(windows: Windows) -> Windows:
    """Leave out windows in which nothing counts: a batch of them would have no loss."""
    at_once = max(1, PIECES_AT_ONCE // windows.context)
    kept = [
        windows.take(part)[1].any(axis=1)
        for part in np.array_split(np.arange(len(windows.starts)), -(-len(windows.starts) // at_once))
    ]
    chosen = np.flatnonzero(np.concatenate(kept))
    return replace(windows, starts=windows.starts[chosen], skips=windows.skips[chosen])
