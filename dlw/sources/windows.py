"""Recordings as one row per window: a table of (group, time) rows, with the last steps of some columns side by side.

From columns `unit, cycle, s2, rul` with `by: unit`, `order: cycle`, `columns: [s2]`, `length: 3` come rows with
`unit, cycle, rul` of the window's last step and `s2@-2, s2@-1, s2@0`. No window crosses from one group to another; to
keep a group's windows together in a split, split by group (`splits: {type: group, by: unit}`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from dlw.columns import to_codes
from dlw.errors import DataError, did_you_mean
from dlw.progress import Listener
from dlw.sources._base import SourceSettings
from dlw.sources._files import find
from dlw.sources._tables import check_names, join

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".parquet", ".pq", ".csv")
Split = Literal["train", "validation", "test"]


class Settings(SourceSettings):
    """Options of windows."""

    path: str | list[str] = Field(description="Parquet or CSV: file, files, glob or folder.")
    by: str = Field(description="Column that tells one recording (machine, patient, ride) from another.")
    order: str = Field(description="Column that orders the rows of a recording.")
    columns: list[str] = Field(min_length=1, description="Number columns whose last steps become columns.")
    length: int = Field(ge=1, le=100_000, description="Steps in a window.")
    every: int = Field(
        1, ge=1, le=100_000, description="Steps from one window to the next, counted from a group's end."
    )
    last_only: list[Split] = Field([], description="Splits that keep only the last window of each group.")
    partial: bool = Field(
        False, description="Keep windows that start before their group does; those steps are missing."
    )
    cap: dict[str, float] = Field({}, description="Largest value of a column; larger ones become it.")


def claims(path: Path) -> bool:
    """Never: windows are asked for by name."""
    return False


def open_tables(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Read the files of each split and turn their rows into windows."""
    paths = [settings.path] if isinstance(settings.path, str) else settings.path
    found = find(paths, SUFFIXES, listener)
    tables = {split: join([(file, _read(file)) for file in files]) for split, files in found.items()}
    return {split: _windows(table, split, settings, listener) for split, table in tables.items()}


def _read(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    try:
        if path.suffix.lower() == ".csv":
            table = pc.read_csv(path)
        else:
            file = pq.ParquetFile(path)
            check_names(file.schema_arrow.names, path)
            table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable table: {str(error).splitlines()[0]}") from error
    check_names(table.column_names, path)
    return table


def _windows(table: pa.Table, split: str, settings: Settings, listener: Listener) -> pa.Table:
    import pyarrow as pa

    _check(table, split, settings)
    table = table.sort_by([(settings.by, "ascending"), (settings.order, "ascending")])
    start_N, stop_N = _extents(table[settings.by])
    last = np.flatnonzero(_is_last(start_N, stop_N, split, settings))
    if not len(last):
        longest = int((stop_N - start_N).max(initial=0))
        raise DataError(
            f"{split}: no group has {settings.length} rows (the longest has {longest}); set a smaller length"
        )
    dropped = len(np.unique(start_N)) - len(np.unique(start_N[last]))
    if dropped:
        listener.warn(
            f"{split}: {dropped} groups are shorter than {settings.length} rows and left out; "
            "`partial: true` keeps them"
        )
    kept = table.take(last)
    arrays = {name: kept[name] for name in table.column_names if name not in settings.columns}
    for name, largest in settings.cap.items():
        arrays[name] = pa.array(np.minimum(_numbers(kept, name, split), largest), from_pandas=True)
    for name in settings.columns:
        values = _numbers(table, name, split)
        for step in range(1 - settings.length, 1):
            rows = last + step
            inside = rows >= start_N[last]
            arrays[f"{name}@{step}"] = pa.array(
                np.where(inside, values[np.where(inside, rows, 0)], np.nan), from_pandas=True
            )
    return pa.table(arrays)


def _check(table: pa.Table, split: str, settings: Settings) -> None:
    wanted = [settings.by, settings.order, *settings.columns, *settings.cap]
    problems = [
        f"no column {name}{did_you_mean(name, table.column_names)}" for name in wanted if name not in table.column_names
    ]
    problems += [
        f"cap: {name} is windowed, so it has no single value" for name in settings.cap if name in settings.columns
    ]
    if problems:
        raise DataError(f"{split}: {'; '.join(problems)} (there are {', '.join(table.column_names[:30])})")
    for name in (settings.by, settings.order):
        codes = to_codes(table[name])[0]
        if (codes < 0).any():
            raise DataError(
                f"{split}: column {name}: {int((codes < 0).sum())} values are missing (first: row "
                f"{int(np.argmax(codes < 0))}); windows need them all"
            )
    _refuse_twins(table, split, settings)


def _refuse_twins(table: pa.Table, split: str, settings: Settings) -> None:
    """Raise DataError where one recording has two rows of one moment: their order would be chance."""
    codes = np.stack([to_codes(table[name])[0] for name in (settings.by, settings.order)], axis=1)
    _, first = np.unique(codes, axis=0, return_index=True)
    if len(first) < len(codes):
        row = int(np.setdiff1d(np.arange(len(codes)), first)[0])
        group, moment = table[settings.by][row].as_py(), table[settings.order][row].as_py()
        raise DataError(
            f"{split}: column {settings.order}: row {row}: {settings.by} {group} has {moment} twice; "
            "windows need one row a moment"
        )


def _extents(groups: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each row of a sorted table the first row of its group, and the row after its last."""
    codes = groups.combine_chunks().dictionary_encode().indices.to_numpy()
    _, first, counts = np.unique(codes, return_index=True, return_counts=True)
    return first[codes], (first + counts)[codes]


def _is_last(start_N: np.ndarray, stop_N: np.ndarray, split: str, settings: Settings) -> np.ndarray:
    """Tell which rows end a window that is kept."""
    row_N = np.arange(len(start_N))
    to_end_N = stop_N - 1 - row_N
    is_kept_N = to_end_N % settings.every == 0
    if split in settings.last_only:
        is_kept_N = to_end_N == 0
    return is_kept_N if settings.partial else is_kept_N & (row_N - start_N + 1 >= settings.length)


def _numbers(table: pa.Table, name: str, split: str) -> np.ndarray:
    import pyarrow as pa

    kind = table.schema.field(name).type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise DataError(f"{split}: column {name} holds {kind}, and a window or a cap needs numbers")
    return table[name].cast(pa.float64()).to_numpy()
