"""The rows that somebody asks about: files, folders, globs, stdin or texts, as a run or bundle reads them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlw.columns import one_array
from dlw.errors import DataError, UsageError
from dlw.fields._columns import family, to_floats
from dlw.progress import Listener
from dlw.recipe.schema import Block
from dlw.sources._files import MEDIA
from dlw.specs import rows_at_once
from dlw.verbs._fitted import Column, Fitted
from dlw.verbs._inputs import Piece, Reading, read_pieces, texts

if TYPE_CHECKING:
    import pyarrow as pa

TEXT, MESSAGES = "text", "messages"
"""The field of a column that `--text` and lines of text can stand for."""
PIECE_BYTES = 64 * 2**20
"""Encoded rows that are in memory at once, about."""
MOST_ROWS_AT_ONCE = 65_536


def asked_rows(
    fitted: Fitted, source: Block | None, inputs: Sequence[str], text: Sequence[str], listener: Listener
) -> Iterator[Piece]:
    """Yield the texts, then the rows of the inputs; UsageError where texts are given to a model that reads more."""
    specs = fitted.inputs
    files = [(spec.kind, name) for name, spec in specs.items() if spec.kind in MEDIA]
    kind, column = files[0] if files else (None, None)
    row_bytes = sum(math.prod(spec.shape) * np.dtype(spec.dtype).itemsize for spec in specs.values())
    least = rows_at_once(spec.shape for spec in specs.values())
    at_once = max(least, min(MOST_ROWS_AT_ONCE, PIECE_BYTES // row_bytes))
    only = only_text(fitted)
    read = tuple(read_columns(fitted))
    if text and only is None:
        raise UsageError("--text is for models that read one text and nothing else; give a table")
    if text:
        yield from texts(text, "text", str(only), at_once)
    yield from read_pieces(inputs, Reading(kind, column, source, at_once, only, read), listener)


@contextmanager
def named(piece: Piece) -> Iterator[None]:
    """Name the table that a DataError is about, one of several perhaps."""
    try:
        yield
    except DataError as error:
        if piece.start is None:
            raise
        raise DataError(f"{piece.files[0]}: {error}") from error


def only_text(fitted: Fitted) -> str | None:
    """Return the column of a model that reads one text and nothing else."""
    used = _read(fitted)
    return used[0].name if [column.type for column in used] in ([TEXT], [MESSAGES]) else None


def read_columns(fitted: Fitted) -> list[str]:
    """Return the names of the columns that a model reads."""
    return [column.name for column in _read(fitted)]


def _read(fitted: Fitted) -> list[Column]:
    return [column for column in fitted.columns if column.role == "input" and not column.is_dropped]


def num_empty(fitted: Fitted, table: pa.Table, rows: np.ndarray) -> int:
    """Count the rows that hold nothing in any column that is read; a prompt of a text to go on with may be empty."""
    left = rows[:0] if fitted.own_target else rows
    for name in read_columns(fitted):
        if len(left):
            left = left[_is_empty(table[name])[left]]
    return len(left)


def _is_empty(values: pa.ChunkedArray) -> np.ndarray:
    """Tell for each row, bool [N], whether it is missing, no number or an empty text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    what = family(values.type)
    if what == "numbers":
        return np.isnan(to_floats(values, ""))
    if what == "text":
        length = pc.binary_length(one_array(values).cast(pa.large_binary()))
        return np.array(pc.equal(pc.fill_null(length, 0), 0).to_pylist(), bool)
    return np.array(values.is_null().to_pylist(), bool)


class FreeNames:
    """Names for the files of rows, none of them twice."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def free(self, name: str) -> str:
        """Return the name, with a number where an earlier row has it."""
        numbered = (f"{name}-{place}" if place else name for place in range(len(self._taken) + 1))
        found = next(one for one in numbered if one not in self._taken)
        self._taken.add(found)
        return found


def name_of(piece: Piece, row: int) -> str:
    """Return a name for what is drawn of a row: its file's, with the row where the file is a table."""
    stem = Path(piece.files[row]).stem.strip("-") or "row"
    return stem if piece.start is None else f"{stem}-{piece.row(row)}"
