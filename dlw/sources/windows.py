"""Recordings as one row per window: a table of (group, time) rows, with the last steps of some columns side by side.

From columns `unit, cycle, s2, rul` with `by: unit`, `order: cycle`, `columns: [s2]`, `length: 3` come rows with
`unit, cycle, rul` of the window's last step and `s2@-2, s2@-1, s2@0`. No window crosses from one group to another; to
keep a group's windows together in a split, split by group (`splits: {type: group, by: unit}`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from dlw.errors import DataError
from dlw.progress import Listener
from dlw.sources._base import SourceSettings
from dlw.sources._files import Split, find
from dlw.sources._recordings import SUFFIXES, check_columns, check_moments, extents, numbers, read
from dlw.sources._tables import join

if TYPE_CHECKING:
    import pyarrow as pa


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


def open_tables(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Read the files of each split and turn their rows into windows."""
    found = find(settings.path, SUFFIXES, listener)
    tables = {split: join([(file, read(file)) for file in files]) for split, files in found.items()}
    return {split: _windows(table, split, settings, listener) for split, table in tables.items()}


def _windows(table: pa.Table, split: str, settings: Settings, listener: Listener) -> pa.Table:
    import pyarrow as pa

    _check(table, split, settings)
    table = table.sort_by([(settings.by, "ascending"), (settings.order, "ascending")])
    start_N, stop_N = extents(table[settings.by])
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
        arrays[name] = pa.array(np.minimum(numbers(kept, name, split), largest), from_pandas=True)
    for name in settings.columns:
        values = numbers(table, name, split)
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
        f"cap: {name} is windowed, so it has no single value" for name in settings.cap if name in settings.columns
    ]
    check_columns(table, split, wanted, problems)
    check_moments(table, split, settings.by, settings.order)


def _is_last(start_N: np.ndarray, stop_N: np.ndarray, split: str, settings: Settings) -> np.ndarray:
    """Tell which rows end a window that is kept."""
    row_N = np.arange(len(start_N))
    to_end_N = stop_N - 1 - row_N
    is_kept_N = to_end_N % settings.every == 0
    if split in settings.last_only:
        is_kept_N = to_end_N == 0
    return is_kept_N if settings.partial else is_kept_N & (row_N - start_N + 1 >= settings.length)
