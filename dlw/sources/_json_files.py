"""Reading one JSON file into a table."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from dlw.errors import DataError
from dlw.sources._tables import check_names

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".jsonl", ".ndjson", ".json")
_NO_OBJECT = re.compile(rb"^[ \t\r]*[^ \t\r\n{]", re.MULTILINE)
_BOM = b"\xef\xbb\xbf"


def read(path: Path) -> pa.Table:
    """Read JSON lines, or one list of objects; DataError with the line if it is neither."""
    import pyarrow as pa
    import pyarrow.json as pj

    content = path.read_bytes()
    start = content[:4096].lstrip()
    if not start:
        raise DataError(f"{path}: the file is empty: 0 rows found")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start}: not UTF-8 text; JSON must be UTF-8") from None
    if start.startswith(b"["):
        return _whole(path, content)
    # Before Arrow sees it: pyarrow 26 crashes the process on a file that begins with null.
    if _NO_OBJECT.search(content.removeprefix(_BOM)):
        raise DataError(_explain(path, content, "a line that is no object"))
    try:
        # One block, so that types come from all rows and not from the first megabyte.
        options = pj.ReadOptions(use_threads=False, block_size=max(len(content), 1) + 1)
        table = pj.read_json(pa.BufferReader(content), options, pj.ParseOptions(newlines_in_values=False))
    except (pa.ArrowException, OSError) as error:
        raise DataError(_explain(path, content, str(error))) from error
    check_names(table.column_names, path)
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


def _explain(path: Path, content: bytes, reason: str) -> str:
    """Say which line is not an object, or that types differ, after the fast reader has refused the file."""
    for number, line in enumerate(content.split(b"\n"), start=1):
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
