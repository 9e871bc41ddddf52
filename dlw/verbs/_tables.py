"""Columns as the bytes of a parquet, CSV or JSON lines file. CSV cells are safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""First characters that make a spreadsheet run a cell (owasp.org/www-community/attacks/CSV_Injection)."""


def table_bytes(columns: Mapping[str, Sequence[Any]], suffix: str) -> bytes:
    """Return a file's bytes; `suffix` is .parquet, .csv or .jsonl."""
    return {".parquet": _parquet, ".csv": _csv, ".jsonl": _json_lines}[suffix](columns)


def _parquet(columns: Mapping[str, Sequence[Any]]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), buffer)
    return buffer.getvalue()


def _json_lines(columns: Mapping[str, Sequence[Any]]) -> bytes:
    names = list(columns)
    lines = [
        json.dumps({name: _plain(value) for name, value in zip(names, values, strict=True)}, default=str)
        for values in zip(*columns.values(), strict=True)
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _csv(columns: Mapping[str, Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_cell(name) for name in columns])
    writer.writerows([_cell(value) for value in values] for values in zip(*columns.values(), strict=True))
    return text.getvalue().encode("utf-8", "backslashreplace")


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return f"'{text}" if text.startswith(FORMULA_STARTS) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()
