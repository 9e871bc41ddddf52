"""Long tables of recordings (machines, patients, users): reading them, and what a window may rely on.

Shape legend: N rows of the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlw.columns import to_codes
from dlw.errors import DataError, did_you_mean
from dlw.sources import _csv_files, _parquet_files
from dlw.sources._files import has_suffix

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (*_parquet_files.SUFFIXES, *_csv_files.SUFFIXES)


def read(path: Path) -> pa.Table:
    """Return a Parquet or CSV file as a table; DataError where it is none or two columns have one name."""
    return _csv_files.read(path) if has_suffix(path, _csv_files.SUFFIXES) else _parquet_files.read(path)


def check_columns(table: pa.Table, split: str, wanted: Sequence[str], problems: Sequence[str] = ()) -> None:
    """Raise DataError, with the `problems` found before, for columns that the table lacks."""
    missing = [
        f"no column {name}{did_you_mean(name, table.column_names)}" for name in wanted if name not in table.column_names
    ]
    if missing or problems:
        told = "; ".join([*missing, *problems])
        raise DataError(f"{split}: {told} (there are {', '.join(table.column_names[:30])})")


def check_moments(table: pa.Table, split: str, by: str | None, order: str, *, may_repeat: bool = False) -> None:
    """Raise DataError where a row lacks its recording or moment, or two rows of a recording may not have one moment."""
    names = [order] if by is None else [by, order]
    codes = []
    for name in names:
        of_column = to_codes(table[name])[0]
        codes.append(of_column)
        if (of_column < 0).any():
            raise DataError(
                f"{split}: column {name}: {int((of_column < 0).sum())} values are missing (first: row "
                f"{int(np.argmax(of_column < 0))}); windows need them all"
            )
    if may_repeat:
        return
    _, first = np.unique(np.stack(codes, axis=1), axis=0, return_index=True)
    if len(first) < len(table):
        row = int(np.setdiff1d(np.arange(len(table)), first)[0])
        whose = "the table" if by is None else f"{by} {table[by][row].as_py()}"
        raise DataError(
            f"{split}: column {order}: row {row}: {whose} has {table[order][row].as_py()} twice; "
            "windows need one row a moment"
        )


def extents(groups: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each row of a sorted table the first row of its group, and the row after its last."""
    codes = groups.combine_chunks().dictionary_encode().indices.to_numpy()
    _, first, counts = np.unique(codes, return_index=True, return_counts=True)
    return first[codes], (first + counts)[codes]


def numbers(table: pa.Table, name: str, split: str) -> np.ndarray:
    """Return float64 [N], NaN where missing; DataError where a column holds no numbers."""
    import pyarrow as pa

    kind = table.schema.field(name).type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise DataError(f"{split}: column {name} holds {kind}, and a window or a cap needs numbers")
    return table[name].cast(pa.float64()).to_numpy()
