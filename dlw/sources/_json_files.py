"""Reading one JSON file: into a table, or run of lines by run of lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlw.errors import DataError
from dlw.shards import Shard
from dlw.sources._sharded import DataFile
from dlw.sources._tables import check_names

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".jsonl", ".ndjson", ".json")
_NO_OBJECT = re.compile(rb"^[ \t\r]*[^ \t\r\n{]", re.MULTILINE)
_BOM = b"\xef\xbb\xbf"
RUN_BYTES = 16 * 2**20
"""About how long a run of lines is that is read together."""


def read(path: Path) -> pa.Table:
    """Read JSON lines, or one list of objects; DataError with the line if it is neither."""
    content = path.read_bytes()
    start = content[:4096].lstrip()
    if not start:
        raise DataError(f"{path}: the file is empty: 0 rows found")
    if start.startswith(b"["):
        _check_text(str(path), content, 0)
        return _whole(path, content)
    return _lines(str(path), content)


def shards(file: DataFile) -> tuple[list[Shard], pa.Schema]:
    """Return the lines of a file in runs, and its columns: it is read once, for the types of all rows."""
    import pyarrow as pa

    runs, schemas = [], []
    for start, first_line, content in _runs(file):
        if not start and content[:4096].lstrip().startswith(b"["):
            raise DataError(
                f"{file.name}: one list of objects is read whole, and does not fit data.memory_budget; "
                "write it as JSON lines, one object a line"
            )
        table = _lines(file.name, content, start, first_line)
        schemas.append(table.schema)
        runs.append((start, len(content), first_line, len(table), table.nbytes))
    if not runs:
        raise DataError(f"{file.name}: the file is empty: 0 rows found")
    try:
        schema = pa.unify_schemas(_with_texts(schemas), promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"{file.name}: values of different types in one column: {error}") from error
    return [_run(file, schema, *run) for run in runs], schema


def _with_texts(schemas: Sequence[pa.Schema]) -> list[pa.Schema]:
    """Return the schemas of runs of lines, with text where another run has text: all of it may look like times."""
    import pyarrow as pa

    texts = {field.name for schema in schemas for field in schema if pa.types.is_string(field.type)}
    return [
        pa.schema(
            field.with_type(pa.string()) if field.name in texts and pa.types.is_timestamp(field.type) else field
            for field in schema
        )
        for schema in schemas
    ]


def _runs(file: DataFile) -> Iterator[tuple[int, int, bytes]]:
    """Yield whole lines, about RUN_BYTES of them, with the place of their first byte and the number of their line."""
    with file.open() as opened:
        start, line = 0, 1
        while content := opened.read(RUN_BYTES):
            content += opened.readline()
            if content.strip():
                yield start, line, content
            start += len(content)
            line += content.count(b"\n")


def _run(
    file: DataFile, schema: pa.Schema, start: int, length: int, first_line: int, num_rows: int, num_bytes: int
) -> Shard:
    def read(names: Sequence[str]) -> pa.Table:
        import pyarrow as pa

        with file.open() as opened:
            opened.seek(start)
            content = opened.read(length)
        wanted = pa.schema([schema.field(name) for name in names])
        table = _lines(file.name, content, start, first_line, wanted)
        if len(table) != num_rows:
            raise DataError(f"{file.name}: changed while it was in use: line {first_line} and what follows")
        return table.select(list(names)).combine_chunks()

    return Shard(f"{file.name}, line {first_line}", num_rows, num_bytes, read)


def _check_text(name: str, content: bytes, start: int) -> None:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: byte {start + error.start}: not UTF-8 text; JSON must be UTF-8") from None


def _lines(name: str, content: bytes, start: int = 0, line: int = 1, schema: pa.Schema | None = None) -> pa.Table:
    """Read JSON lines, those of a `schema` only where one is given; `start` and `line` say where they begin."""
    import pyarrow as pa
    import pyarrow.json as pj

    _check_text(name, content, start)
    # Before Arrow sees it: pyarrow 26 crashes the process on a file that begins with null.
    if _NO_OBJECT.search(content.removeprefix(_BOM)):
        raise DataError(_explain(name, content, "a line that is no object", line))
    try:
        # One block, so that types come from all rows and not from the first megabyte.
        options = pj.ReadOptions(use_threads=False, block_size=max(len(content), 1) + 1)
        unknown = "infer" if schema is None else "ignore"
        parsing = pj.ParseOptions(explicit_schema=schema, newlines_in_values=False, unexpected_field_behavior=unknown)
        table = pj.read_json(pa.BufferReader(content), options, parsing)
    except (pa.ArrowException, OSError) as error:
        raise DataError(_explain(name, content, str(error), line)) from error
    check_names(table.column_names, name)
    return table


def _whole(path: Path, content: bytes) -> pa.Table:
    import pyarrow as pa

    try:
        rows = json.loads(content)
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}") from error
    except RecursionError:
        raise DataError(f"{path}: not readable as JSON: nested too deeply") from None
    if not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path}: a list of something else than objects")
    names = list(dict.fromkeys(name for row in rows for name in row))
    try:
        return pa.table({name: [row.get(name) for row in rows] for name in names})
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise DataError(f"{path}: values of different types in one column: {error}") from error


def _explain(path: str, content: bytes, reason: str, start: int) -> str:
    """Say which line is not an object, or that types differ, after the fast reader has refused the file."""
    for number, line in enumerate(content.split(b"\n"), start=start):
        if line.strip():
            try:
                value = json.loads(line)
            except ValueError as error:
                return f"{path}:{number}: not JSON: {error}"
            except RecursionError:
                return f"{path}:{number}: not readable as JSON: nested too deeply"
            if not isinstance(value, dict):
                return f"{path}:{number}: not an object"
    return f"{path}: not readable as JSON lines: {reason.splitlines()[0]}"
