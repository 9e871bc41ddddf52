"""Columns as the bytes of a parquet, CSV or JSON lines file. CSV cells are safe to open in a spreadsheet."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""First characters that make a spreadsheet run a cell (owasp.org/www-community/attacks/CSV_Injection)."""


def table_bytes(columns: Mapping[str, Sequence[Any]], suffix: str) -> bytes:
    """Return a file's bytes; `suffix` is .parquet, .csv or .jsonl."""
    return {".parquet": _parquet, ".csv": _csv, ".jsonl": _json_lines}[suffix](columns)


def _parquet(columns: Mapping[str, Sequence[Any]]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(pa.table({name: arrow_array(values) for name, values in columns.items()}), buffer)
    return buffer.getvalue()


def arrow_array(values: Sequence[Any]) -> pa.Array:
    """Return Python values as an Arrow array; text, floats and integers without pyarrow's conversion of Python values,
    which imports pandas (a third of a second)."""
    import pyarrow as pa

    if isinstance(values, np.ndarray) and values.ndim == 2:
        flat = pa.py_buffer(np.ascontiguousarray(values))
        inner = pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), values.size, [None, flat])
        return pa.FixedSizeListArray.from_arrays(inner, values.shape[1])
    kinds = {type(value) for value in values}
    if kinds and kinds <= {str, type(None)}:
        return _text_array(values)
    if kinds == {float}:
        return pa.Array.from_buffers(pa.float64(), len(values), [None, pa.py_buffer(np.array(values, np.float64))])
    if kinds == {int} and all(abs(value) < 2**63 for value in values):
        return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(np.array(values, np.int64))])
    return pa.array(values)


def _text_array(values: Sequence[str | None]) -> pa.Array:
    import pyarrow as pa

    contents = [b"" if value is None else value.encode("utf-8", "backslashreplace") for value in values]
    ends = np.cumsum([0, *map(len, contents)], dtype=np.int64)
    known = np.packbits([value is not None for value in values], bitorder="little")
    buffers = [pa.py_buffer(part) for part in (known, ends, b"".join(contents))]
    return pa.Array.from_buffers(pa.large_string(), len(values), buffers)


def _json_lines(columns: Mapping[str, Sequence[Any]]) -> bytes:
    names = list(columns)
    lines = [
        json.dumps({name: plain(value) for name, value in zip(names, values, strict=True)}, default=str)
        for values in zip(*columns.values(), strict=True)
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _csv(columns: Mapping[str, Sequence[Any]]) -> bytes:
    lines = [columns, *zip(*columns.values(), strict=True)]
    text = "".join(",".join(map(_cell, line)) + "\n" for line in lines)
    return text.encode("utf-8", "backslashreplace")


def plain(value: Any) -> Any:
    """Return a value that JSON can hold: no NaN, no infinity; a PNG file becomes a data address (RFC 2397)."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict) and isinstance(value.get("bytes"), bytes):
        return f"data:image/png;base64,{base64.b64encode(value['bytes']).decode()}"
    return [plain(part) for part in value] if isinstance(value, list) else value


def _cell(value: Any) -> str:
    """Return a cell, quoted where it must be (RFC 4180); Python's writer leaves a lone carriage return bare."""
    if value is None or isinstance(value, bool | int | float):
        return "" if value is None else str(value)
    value = str(value) if isinstance(value, date) else plain(value)
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    if text.startswith(FORMULA_STARTS) and not _is_number(text):
        text = f"'{text}"
    quoted = text.replace('"', '""')
    return f'"{quoted}"' if any(mark in text for mark in ',"\r\n') else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()
