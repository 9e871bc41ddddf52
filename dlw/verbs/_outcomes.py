"""What metrics read, kept beside an evaluation: answers and truth of every row, to compare two runs later.

One Parquet file: a row per judged row, arrays as the bytes of each row, everything else as JSON in the schema.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from dlw.columns import from_bytes
from dlw.errors import RunError
from dlw.specs import Outcome

FILE = "outcome.parquet"
FORMAT = 1
_KEY = b"dlw"
_ARRAYS = ("prediction", "target", "group", "is_found", "places", "positions")
_TEXT = "text"


@dataclass(frozen=True)
class Kept:
    """An outcome and the sha256 of the columns of its rows."""

    outcome: Outcome
    columns: Mapping[str, str]


def to_bytes(outcome: Outcome, columns: Mapping[str, str]) -> bytes:
    """Return the file of an outcome whose rows have columns of these digests."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays: dict[str, Any] = {}
    layout: dict[str, Any] = {}
    for name in _ARRAYS:
        values = getattr(outcome, name)
        if values is None:
            continue
        if values.dtype == object:
            arrays[name], layout[name] = pa.array([str(text) for text in values], pa.large_string()), _TEXT
        else:
            arrays[name] = from_bytes([np.ascontiguousarray(row).tobytes() for row in values])
            layout[name] = [values.dtype.str, list(values.shape[1:])]
    options = {field.name: getattr(outcome, field.name) for field in fields(outcome)}
    plain = {name: value for name, value in options.items() if name not in (*_ARRAYS, "whole")}
    note = {"format": FORMAT, "arrays": layout, "options": plain, "columns": dict(columns)}
    table = pa.table(arrays).replace_schema_metadata({_KEY: json.dumps(note).encode()})
    stream = BytesIO()
    pq.write_table(table, stream, compression="zstd")
    return stream.getvalue()


def read(file: Path) -> Kept:
    """Return what `to_bytes` wrote; RunError where the file is missing or not one of these."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not file.is_file():
        run = shlex.quote(str(file.parents[2]))
        raise RunError(f"{file}: missing; evaluate the run first: dlw evaluate {run} --split {file.parent.name}")
    try:
        table = pq.read_table(file)
        note = json.loads((table.schema.metadata or {})[_KEY])
        given: dict[str, Any] = {name: _array(table[name], kind) for name, kind in note["arrays"].items()}
        given |= {name: tuple(value) if isinstance(value, list) else value for name, value in note["options"].items()}
        return Kept(Outcome(**given), note["columns"])
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        raise RunError(f"{file}: damaged, or of another version: {error}; evaluate the run again") from error


def _array(values: Any, kind: Any) -> np.ndarray:
    rows = values.to_pylist()
    if kind == _TEXT:
        return np.array(rows, object)
    dtype, shape = kind
    return np.frombuffer(b"".join(rows), np.dtype(dtype)).reshape(len(rows), *shape)
