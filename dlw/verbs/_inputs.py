"""What `predict` is given: tables, pictures, folders, globs and stdin, as Arrow tables piece by piece.

Reads with pyarrow alone: no `datasets`, no pandas, no torch. Pictures are not decoded here, only their bytes are read.
"""

from __future__ import annotations

import glob
import io
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from dlw.errors import DataError, did_you_mean
from dlw.progress import Listener

STDIN = Path("-")
TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
PICTURES_AT_ONCE = 256
ROWS_AT_ONCE = 65_536
MAX_PICTURE_BYTES = 256 * 2**20

# What pandas, and so the `datasets` library that reads training files, takes for a missing value.
MISSING_WORDS = [
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA"),
    *("NULL", "NaN", "None", "n/a", "nan", "null"),
]


@dataclass(frozen=True)
class Piece:
    """Some rows, the file each came from, and where in that file the first one is."""

    table: pa.Table
    files: list[str]
    start: int | None
    """Row number of the first row in its file, counted from 0; None for pictures, each row 0 of its own file."""
    bad: list[tuple[str, str]]
    """File and reason for what could not be read at all."""

    def row(self, place: int) -> int:
        """Return the number that a row of the table has in its file."""
        return 0 if self.start is None else self.start + int(place)


def read_pieces(
    inputs: Sequence[str], picture: str | None, listener: Listener, stdin: BinaryIO | None = None
) -> Iterator[Piece]:
    """Yield the rows of all inputs in order; `picture` is the column that picture files go into, None if there is none.

    Raises DataError naming the file; a picture that cannot be read is listed in its piece instead.
    """
    for is_table, group in groupby(_expand(inputs, picture, listener), key=_is_table):
        if is_table:
            for source in group:
                yield from _table(source, picture, stdin or sys.stdin.buffer)
        else:
            assert picture is not None
            paths = list(group)
            for start in range(0, len(paths), PICTURES_AT_ONCE):
                yield _pictures(paths[start : start + PICTURES_AT_ONCE], picture)


def _is_table(source: Path) -> bool:
    return source == STDIN or source.suffix.lower() in TABLE_SUFFIXES


def _table(source: Path, picture: str | None, stdin: BinaryIO) -> Iterator[Piece]:
    is_stdin = source == STDIN
    name = "stdin" if is_stdin else str(source)
    start = 0
    for part in _read_stdin(stdin) if is_stdin else _READERS[source.suffix.lower()](source):
        _refuse_repeated_names(part, name)
        table = _with_bytes(part, picture, source.parent) if picture in part.column_names else part
        yield Piece(table, [name] * len(table), start, [])
        start += len(table)


def _expand(inputs: Sequence[str], picture: str | None, listener: Listener) -> Iterator[Path]:
    for text in inputs:
        path = Path(text)
        if path == STDIN:
            yield STDIN
            continue
        if path.is_dir():
            yield from _folder(path, picture, listener)
        elif os.path.lexists(path):
            yield _file(path, picture)
        elif glob.has_magic(text):
            found = sorted(place for place in glob.glob(text, recursive=True) if Path(place).is_file())
            if not found:
                raise DataError(f"{text}: matches no file")
            yield from (_file(Path(place), picture) for place in found)
        else:
            near = did_you_mean(path.name, _names_beside(path))
            raise DataError(f"{text}: no such file or folder{near}")


def _names_beside(path: Path) -> list[str]:
    return [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []


def _file(path: Path, picture: str | None) -> Path:
    if not path.exists():
        raise DataError(f"{path}: a link to a file that is not there")
    if not stat.S_ISREG(path.stat().st_mode):
        raise DataError(f"{path}: not a regular file")
    suffix = path.suffix.lower()
    if suffix in TABLE_SUFFIXES:
        return path
    if picture is None:
        raise DataError(f"{path}: this model reads tables ({', '.join(TABLE_SUFFIXES)}), not {suffix or 'such'} files")
    if suffix not in PICTURE_SUFFIXES:
        known = ", ".join((*PICTURE_SUFFIXES, *TABLE_SUFFIXES))
        raise DataError(f"{path}: {suffix or 'a name without a suffix'} is no picture or table ({known})")
    return path


def _folder(folder: Path, picture: str | None, listener: Listener) -> Iterator[Path]:
    """Pictures below a folder where the model sees pictures, else its tables; links to folders are not followed."""
    suffixes = PICTURE_SUFFIXES if picture is not None else TABLE_SUFFIXES
    found = 0
    for place, folders, names in os.walk(folder, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            if name.startswith(".") or path.suffix.lower() not in suffixes:
                continue
            if not path.is_file():
                listener.warn(f"{path}: skipped, not a regular file")
                continue
            found += 1
            yield path
    if not found:
        what = "pictures" if picture is not None else "tables"
        raise DataError(f"{folder}: holds no {what} ({', '.join(suffixes)})")


def _pictures(paths: Sequence[Path], column: str) -> Piece:
    contents: list[dict[str, bytes | str]] = []
    files: list[str] = []
    bad: list[tuple[str, str]] = []
    for path in paths:
        try:
            if path.stat().st_size > MAX_PICTURE_BYTES:
                raise DataError(f"larger than {MAX_PICTURE_BYTES:,} bytes")
            contents.append({"bytes": path.read_bytes(), "path": path.name})
        except (OSError, DataError) as error:
            bad.append((str(path), getattr(error, "strerror", None) or str(error)))
            continue
        files.append(str(path))
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    return Piece(pa.table({column: pa.array(contents, kind)}), files, None, bad)


def _with_bytes(table: pa.Table, column: str | None, root: Path) -> pa.Table:
    """Replace a column of picture paths, relative to their table, by their bytes; other columns stay as they are."""
    assert column is not None
    place = table.column_names.index(column)
    held = table.schema.field(place).type
    if not (pa.types.is_string(held) or pa.types.is_large_string(held)):
        return table
    contents = []
    for name in table.column(place).to_pylist():
        path = root / name if name else None
        is_readable = path is not None and path.is_file() and path.stat().st_size <= MAX_PICTURE_BYTES
        contents.append({"bytes": path.read_bytes() if path and is_readable else b"", "path": name})
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    return table.set_column(place, column, pa.array(contents, kind))


def _refuse_repeated_names(table: pa.Table, name: str) -> None:
    places: dict[str, list[int]] = {}
    for place, column in enumerate(table.column_names, start=1):
        places.setdefault(column, []).append(place)
    repeated = [f"{column} ({', '.join(map(str, at))})" for column, at in places.items() if len(at) > 1]
    if repeated:
        raise DataError(f"{name}: column names must differ; repeated at these positions: {'; '.join(repeated)}")


def _read_stdin(stream: BinaryIO) -> Iterator[pa.Table]:
    content = stream.read()
    text = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"{"):
        return _json_rows(content, "stdin")
    header = text.split(b"\n", 1)[0]
    return _csv_rows(content, "stdin", "\t" if b"\t" in header and b"," not in header else ",")


def _csv_rows(content: bytes, name: str, delimiter: str) -> Iterator[pa.Table]:
    from pyarrow import csv

    content = _utf8(content, name)
    if not content.strip():
        raise DataError(f"{name}: is empty; wanted a header and at least one row")
    convert = csv.ConvertOptions(null_values=MISSING_WORDS, strings_can_be_null=True)
    parse = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    # One block and one thread: types come from all rows, not the first ones, and errors can name the row.
    read = csv.ReadOptions(use_threads=False, block_size=len(content) + 1)
    try:
        table = csv.read_csv(io.BytesIO(content), read, parse, convert)
    except pa.ArrowInvalid as error:
        raise DataError(f"{name}: {error}") from error
    yield from _slices(table, name)


def _json_rows(content: bytes, name: str) -> Iterator[pa.Table]:
    from pyarrow import json

    content = _utf8(content, name)
    try:
        table = json.read_json(io.BytesIO(content), json.ReadOptions(use_threads=False, block_size=len(content) + 1))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"{name}: not JSON lines (one object a line): {error}") from error
    yield from _slices(table, name)


def _slices(table: pa.Table, name: str) -> Iterator[pa.Table]:
    if not len(table):
        raise DataError(f"{name}: has a header but no rows")
    for start in range(0, len(table), ROWS_AT_ONCE):
        yield table.slice(start, ROWS_AT_ONCE)


def _utf8(content: bytes, name: str) -> bytes:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{name}: is UTF-16; save it as UTF-8")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    return content.removeprefix(b"\xef\xbb\xbf")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error


def _csv(path: Path) -> Iterator[pa.Table]:
    return _csv_rows(_content(path), str(path), "\t" if path.suffix.lower() == ".tsv" else ",")


def _json(path: Path) -> Iterator[pa.Table]:
    return _json_rows(_content(path), str(path))


def _parquet(path: Path) -> Iterator[pa.Table]:
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            if not file.metadata.num_rows:
                raise DataError(f"{path}: has no rows")
            for batch in file.iter_batches(ROWS_AT_ONCE):
                yield pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: cannot be read as parquet: {error}") from error


_READERS: dict[str, Callable[[Path], Iterator[pa.Table]]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".json": _json,
    ".jsonl": _json,
    ".ndjson": _json,
    ".parquet": _parquet,
}
