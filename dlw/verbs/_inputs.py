"""What `predict` is given: tables, pictures, recordings, folders, globs and stdin, as Arrow tables piece by piece.

Tables are read by the plug-ins that read training data, with the options the recipe gave them, so that a cell means the
same in both. Pictures and recordings are not opened here: a table of their paths goes to the field.
"""

from __future__ import annotations

import codecs
import csv
import glob
import os
import stat
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from dlw import registry
from dlw.columns import from_text
from dlw.errors import DataError, UsageError, did_you_mean
from dlw.progress import Listener
from dlw.recipe.schema import Block
from dlw.shards import ShardedTable, in_pieces
from dlw.sources._files import MEDIA, has_suffix
from dlw.verbs._memory import free_bytes
from dlw.verbs._sources import claiming
from dlw.verbs._tables import arrow_array

if TYPE_CHECKING:
    import pyarrow as pa

STDIN = Path("-")
_SHOWN, _SHOWN_COLUMNS = 60, 300
"""Characters of a header, and of the columns that are wanted, that an error shows."""
NAMES: Mapping[str | None, str] = {"image": "pictures", "sound": "recordings", None: "tables"}


@dataclass(frozen=True)
class Reading:
    """How a model's rows are read: the kind of files it reads (None: only tables) and the column that those go into,
    the source block of its recipe, how many rows are handled at once, the one text column that it reads (None: it
    reads more), and all columns that it reads."""

    kind: str | None
    column: str | None
    source: Block | None
    rows_at_once: int
    text: str | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Piece:
    """Some rows and the file that each came from."""

    table: pa.Table
    files: list[str]
    start: int | None
    """Row number of the first row in its file, counted from 0; None for files that are one row each."""

    def row(self, place: int) -> int:
        """Return the number that a row of the table has in its file."""
        return 0 if self.start is None else self.start + int(place)


def read_pieces(inputs: Sequence[str], reading: Reading, listener: Listener) -> Iterator[Piece]:
    """Yield the rows of all inputs in order; raises DataError naming the file that cannot be read as a table."""
    for is_media, group in groupby(_expand(inputs, reading, listener), key=is_media_file):
        if is_media:
            assert reading.column is not None
            yield from _media(list(group), reading.column, reading.rows_at_once)
            continue
        for path in group:
            if path == STDIN:
                yield from _stdin(sys.stdin.buffer, reading, listener)
            else:
                yield from _table(path, str(path), reading, listener)


def refuse_overwriting(output: Path, inputs: Sequence[str]) -> None:
    """Raise UsageError where the file to write is among those to read, under whatever spelling or link."""
    for text in inputs if output.exists() else ():
        for name in [text] if os.path.lexists(text) else glob.glob(text, recursive=True):
            if os.path.exists(name) and output.samefile(name):
                raise UsageError(f"--output {output}: is the input {name}, which it would overwrite; name another file")


def is_media_file(path: Path) -> bool:
    """Tell whether a path is a picture or a recording by its name."""
    return any(has_suffix(path, suffixes) for suffixes in MEDIA.values())


def _is_read(path: Path, reading: Reading) -> bool:
    """Tell whether a path is a file of the kind that the model reads."""
    return reading.kind is not None and has_suffix(path, MEDIA[reading.kind])


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
    if is_media_file(path):
        if not _is_read(path, reading):
            kind = next(kind for kind, suffixes in MEDIA.items() if has_suffix(path, suffixes))
            raise DataError(f"{path}: this model reads {NAMES[reading.kind]}, no {NAMES[kind]}")
        return path
    if _reader(path) is None:
        raise DataError(f"{path}: neither a table nor a picture nor a recording by its name")
    return path


def _folder(folder: Path, reading: Reading, listener: Listener) -> Iterator[Path]:
    """Yield the files below a folder that the model reads, or else its tables; linked folders are left out."""
    found = 0
    for place, folders, names in os.walk(folder, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            if name.startswith("."):
                continue
            if not path.is_file():
                listener.warn(f"{path}: skipped, not a regular file")
            elif _is_read(path, reading) if reading.kind else _reader(path) is not None:
                found += 1
                yield path
    if not found:
        raise DataError(f"{folder}: holds no {NAMES[reading.kind]}")


def _reader(path: Path) -> str | None:
    """Return the source that reads a table file."""
    return next(claiming(path), None)


def _media(paths: Sequence[Path], column: str, rows_at_once: int) -> Iterator[Piece]:
    import pyarrow as pa

    for start in range(0, len(paths), rows_at_once):
        files = [str(path) for path in paths[start : start + rows_at_once]]
        yield Piece(pa.table({column: _file_values(files)}), files, None)


def _file_values(files: Sequence[str | None]) -> pa.Array:
    import pyarrow as pa

    return pa.StructArray.from_arrays([pa.nulls(len(files), pa.binary()), arrow_array(files)], ["bytes", "path"])


def _table(path: Path, name: str, reading: Reading, listener: Listener) -> Iterator[Piece]:
    word = _reader(path)
    assert word is not None, "only files that a source claims come here"
    module = registry.load("sources", word)
    open_rows = module.open_tables
    options: dict[str, Any] = {}
    if reading.source is not None:
        own = registry.load("sources", reading.source.type)
        if hasattr(own, "open_questions") and has_suffix(path, own.SUFFIXES):
            word, module, open_rows = reading.source.type, own, own.open_questions
        if reading.source.type == word:
            options = {key: value for key, value in reading.source.options.items() if key != "path"}
    settings = module.Settings.model_validate({**options, "path": str(path)})
    with tempfile.TemporaryDirectory(prefix="dlw-predict-") as cache:
        tables = None
        if open_rows is getattr(module, "open_tables", None) and hasattr(module, "open_shards"):
            tables = module.open_shards(settings, Path(cache), listener, free_bytes())
        table = next(iter((tables or open_rows(settings, Path(cache), listener)).values()))
        if not len(table):
            raise DataError(f"{name}: has no rows below {_first_line(table.column_names, reading)}")
        start = 0
        for part in _parts(table, reading.rows_at_once):
            if reading.column in part.column_names:
                part = _with_paths(part, reading.column, path.parent)
            yield Piece(part, [name] * len(part), start)
            start += len(part)


def _first_line(names: Sequence[str], reading: Reading) -> str:
    """Quote the column names of a table without rows, perhaps a text that was given where a table is needed."""
    given = textwrap.shorten(", ".join(names), _SHOWN, placeholder="...")
    wanted = textwrap.shorten(", ".join(reading.columns), _SHOWN_COLUMNS, placeholder="...")
    return (
        f"its column names, {given!r}; this model reads a table with the columns {wanted}: CSV that names them in its "
        "first line, or JSON lines"
    )


def _parts(table: pa.Table | ShardedTable, most_rows: int) -> Iterator[pa.Table]:
    """Yield a table in parts that are in memory; of one that stays on disk, not all at once."""
    if isinstance(table, ShardedTable):
        yield from in_pieces(table, most_rows)
        return
    for start in range(0, len(table), most_rows):
        yield table.slice(start, most_rows)


def _with_paths(table: pa.Table, column: str | None, root: Path) -> pa.Table:
    """Let paths of files start at the folder of their table."""
    import pyarrow as pa

    place = table.column_names.index(column)
    held = table.schema.field(place).type
    if not (pa.types.is_string(held) or pa.types.is_large_string(held)):
        return table
    files = [None if name is None else str(root / name) for name in table.column(place).to_pylist()]
    return table.set_column(place, column, _file_values(files))


def texts(lines: Sequence[str], name: str, column: str, rows_at_once: int) -> Iterator[Piece]:
    """Yield texts as rows of a table with one column; raises DataError where there are none."""
    import pyarrow as pa

    if not lines:
        raise DataError(f"{name}: has no rows")
    for start in range(0, len(lines), rows_at_once):
        part = lines[start : start + rows_at_once]
        yield Piece(pa.table({column: from_text(part)}), [name] * len(part), start)


def _names(column: str, header: str) -> bool:
    """Tell whether a line is a CSV header with a column."""
    try:
        return column in next(csv.reader([header]), ())
    except csv.Error:  # longer than a cell, or a carriage return within: a text
        return False


def _stdin(stream: BinaryIO, reading: Reading, listener: Listener) -> Iterator[Piece]:
    """Read a CSV or JSON lines table; a file of its own lets the same plug-ins read it.

    For a model of one text, each line is a text, unless the first one names its column or begins JSON.
    """
    content = stream.read()
    is_json = content.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    if reading.text is not None and not is_json:
        lines = _decoded(content, listener).removeprefix("\ufeff").removesuffix("\n").split("\n")
        lines = [line.removesuffix("\r") for line in lines] if content else []
        if not lines or not _names(reading.text, lines[0]):
            yield from texts(lines, "stdin", reading.text, reading.rows_at_once)
            return
    with tempfile.TemporaryDirectory(prefix="dlw-stdin-") as folder:
        path = Path(folder) / ("stdin.jsonl" if is_json else "stdin.csv")
        path.write_bytes(content)
        try:
            yield from _table(path, "stdin", reading, listener)
        except DataError as error:
            raise DataError(str(error).replace(str(path), "stdin")) from error


def _decoded(content: bytes, listener: Listener) -> str:
    """Return what is UTF-8 text nearly everywhere, telling the first byte that is none; DataError for UTF-16."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError("stdin: byte 0: this is UTF-16 text; convert it: `iconv -f utf-16 -t utf-8`")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        listener.warn(
            f"stdin: byte {error.start}: {content[error.start]:#04x} is not UTF-8 text; such bytes are read as U+FFFD: "
            "if this is text in another encoding, convert it: `iconv -f latin1 -t utf-8`, say"
        )
        return content.decode("utf-8", "replace")
