"""What `predict` is given: tables, pictures, folders, globs and stdin, as Arrow tables piece by piece.

Tables are read by the plug-ins that read training data, with the options the recipe gave them, so that a cell means the
same in both. Pictures are not opened here: a table of their paths goes to the picture field.
"""

from __future__ import annotations

import glob
import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, BinaryIO

from dlw import registry
from dlw.errors import DataError, did_you_mean
from dlw.progress import Listener
from dlw.recipe.schema import Block
from dlw.verbs._tables import arrow_array

if TYPE_CHECKING:
    import pyarrow as pa

STDIN = Path("-")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")


@dataclass(frozen=True)
class Reading:
    """How a model's rows are read: the column that picture files go into (None: it sees no pictures), the source block
    of its recipe, and how many rows are handled at once."""

    picture: str | None
    source: Block | None
    rows_at_once: int


@dataclass(frozen=True)
class Piece:
    """Some rows and the file that each came from."""

    table: pa.Table
    files: list[str]
    start: int | None
    """Row number of the first row in its file, counted from 0; None for pictures, each row 0 of its own file."""

    def row(self, place: int) -> int:
        """Return the number that a row of the table has in its file."""
        return 0 if self.start is None else self.start + int(place)


def read_pieces(
    inputs: Sequence[str], reading: Reading, listener: Listener, stdin: BinaryIO | None = None
) -> Iterator[Piece]:
    """Yield the rows of all inputs in order; raises DataError naming the file that cannot be read as a table."""
    for is_picture, group in groupby(_expand(inputs, reading, listener), key=_is_picture):
        if is_picture:
            assert reading.picture is not None
            yield from _pictures(list(group), reading.picture, reading.rows_at_once)
            continue
        for path in group:
            if path == STDIN:
                yield from _stdin(stdin or sys.stdin.buffer, reading, listener)
            else:
                yield from _table(path, str(path), reading, listener)


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES


def _expand(inputs: Sequence[str], reading: Reading, listener: Listener) -> Iterator[Path]:
    for text in inputs:
        path = Path(text)
        if path == STDIN:
            yield STDIN
        elif path.is_dir():
            yield from _folder(path, reading, listener)
        elif os.path.lexists(path):
            yield _file(path, reading)
        elif glob.has_magic(text):
            found = sorted(place for place in glob.glob(text, recursive=True) if Path(place).is_file())
            if not found:
                raise DataError(f"{text}: matches no file")
            yield from (_file(Path(place), reading) for place in found)
        else:
            beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
            raise DataError(f"{text}: no such file or folder{did_you_mean(path.name, beside)}")


def _file(path: Path, reading: Reading) -> Path:
    if not path.exists():
        raise DataError(f"{path}: a link to a file that is not there")
    if not stat.S_ISREG(path.stat().st_mode):
        raise DataError(f"{path}: not a regular file")
    if _is_picture(path):
        if reading.picture is None:
            raise DataError(f"{path}: this model reads tables, no pictures")
        return path
    if _reader(path) is None:
        raise DataError(f"{path}: neither a table nor a picture by its name")
    return path


def _folder(folder: Path, reading: Reading, listener: Listener) -> Iterator[Path]:
    """Yield the pictures below a folder where the model sees pictures, else its tables; linked folders are left out."""
    found = 0
    for place, folders, names in os.walk(folder, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            if name.startswith("."):
                continue
            if not path.is_file():
                listener.warn(f"{path}: skipped, not a regular file")
            elif _is_picture(path) if reading.picture is not None else _reader(path) is not None:
                found += 1
                yield path
    if not found:
        raise DataError(f"{folder}: holds no {'pictures' if reading.picture is not None else 'tables'}")


def _reader(path: Path) -> tuple[str, ModuleType] | None:
    """Return the source plug-in that reads a table file, and its name."""
    for name in registry.names("sources"):
        module = registry.load("sources", name)
        if module.claims(path):
            return name, module
    return None


def _pictures(paths: Sequence[Path], column: str, rows_at_once: int) -> Iterator[Piece]:
    import pyarrow as pa

    for start in range(0, len(paths), rows_at_once):
        files = [str(path) for path in paths[start : start + rows_at_once]]
        yield Piece(pa.table({column: _picture_values(files)}), files, None)


def _picture_values(files: Sequence[str | None]) -> pa.Array:
    import pyarrow as pa

    return pa.StructArray.from_arrays([pa.nulls(len(files), pa.binary()), arrow_array(files)], ["bytes", "path"])


def _table(path: Path, name: str, reading: Reading, listener: Listener) -> Iterator[Piece]:
    reader = _reader(path)
    assert reader is not None, "only files that a source claims come here"
    word, module = reader
    open_rows = module.open_tables
    options: dict[str, Any] = {}
    if reading.source is not None:
        own = registry.load("sources", reading.source.type)
        if hasattr(own, "open_questions"):
            word, module, open_rows = reading.source.type, own, own.open_questions
        if reading.source.type == word:
            options = {key: value for key, value in reading.source.options.items() if key != "path"}
    settings = module.Settings.model_validate({**options, "path": str(path)})
    with tempfile.TemporaryDirectory(prefix="dlw-predict-") as cache:
        tables = open_rows(settings, Path(cache), listener)
        table = next(iter(tables.values()))
        if not len(table):
            raise DataError(f"{name}: has no rows")
        if reading.picture in table.column_names:
            table = _with_paths(table, reading.picture, path.parent)
        for start in range(0, len(table), reading.rows_at_once):
            part = table.slice(start, reading.rows_at_once)
            yield Piece(part, [name] * len(part), start)


def _with_paths(table: pa.Table, column: str | None, root: Path) -> pa.Table:
    """Let paths of pictures start at the folder of their table."""
    import pyarrow as pa

    place = table.column_names.index(column)
    held = table.schema.field(place).type
    if not (pa.types.is_string(held) or pa.types.is_large_string(held)):
        return table
    files = [None if name is None else str(root / name) for name in table.column(place).to_pylist()]
    return table.set_column(place, column, _picture_values(files))


def _stdin(stream: BinaryIO, reading: Reading, listener: Listener) -> Iterator[Piece]:
    """Read a CSV or JSON lines table; a file of its own lets the same plug-ins read it."""
    content = stream.read()
    is_json = content.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    with tempfile.TemporaryDirectory(prefix="dlw-stdin-") as folder:
        path = Path(folder) / ("stdin.jsonl" if is_json else "stdin.csv")
        path.write_bytes(content)
        try:
            yield from _table(path, "stdin", reading, listener)
        except DataError as error:
            raise DataError(str(error).replace(str(path), "stdin")) from error
