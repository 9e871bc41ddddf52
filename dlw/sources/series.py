"""Recordings as cells of series: a long table of (recording, time) rows becomes one row per window.

From columns `unit, cycle, s2, rul` with `by: unit`, `order: cycle`, `columns: [s2]`, `length: 3` come rows with `unit,
cycle, rul` of the window's last step and the cell `history`, the last 3 steps of s2. With `ahead`, `history` ends where
the future begins and `window` holds both: history and the steps ahead. The steps ahead of a window lie in one split;
its history may reach back over the border into rows that came before, never into another recording.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from dlw.errors import DataError
from dlw.progress import Listener
from dlw.sources._base import SourceSettings
from dlw.sources._files import SPLITS, Split, find
from dlw.sources._recordings import SUFFIXES, check_columns, check_moments, numbers, read
from dlw.sources._tables import join
from dlw.sources._timelines import NO_SPLIT, Timeline, bordered, merged, timeline

if TYPE_CHECKING:
    import pyarrow as pa

HISTORY, WINDOW, KNOWN = "history", "window", "known"
Border = Annotated[float, Field(gt=0)]


class Settings(SourceSettings):
    """Options of series."""

    path: str | list[str] = Field(description="Parquet or CSV: file, files, glob or folder.")
    by: str | None = Field(
        None, description="Column that tells one recording from another; default: the table is one recording."
    )
    order: str = Field(description="Column that orders the rows of a recording: numbers, times or text.")
    columns: list[str] = Field(min_length=1, description="Number columns that become the channels.")
    length: int = Field(ge=1, le=1_000_000, description="Steps of a history.")
    ahead: int = Field(0, ge=0, le=1_000_000, description="Steps after a history that are to be forecast.")
    known: list[str] = Field(
        [], description="Number columns known beforehand (calendar, prices): the cell `known`, history and ahead."
    )
    every: int = Field(1, ge=1, le=1_000_000, description="Steps from one window to the next, counted from the last.")
    step: float | None = Field(
        None, gt=0, description="Distance of two rows in units of `order` (of times: seconds); absent rows become gaps."
    )
    borders: dict[Split, Border] = Field(
        {},
        description="Where each split of a recording ends: rows, or up to 1 a share; later rows are unused.",
    )
    continues: bool = Field(
        False,
        description="The files of the splits are parts of the same recordings: histories reach from one to another.",
    )
    repeated: Literal["refuse", "keep"] = Field(
        "refuse", description="Rows of one recording and one moment: an error, or kept in the order of the file."
    )
    reference: int | None = Field(
        None,
        ge=2,
        le=1_000_000,
        description="First rows of each recording whose mean and deviation standardise its columns (at most 20 "
        "deviations): recordings of different size become alike.",
    )
    last_only: list[Split] = Field([], description="Splits that keep only the last window of each recording.")
    partial: bool = Field(False, description="Keep histories that are shorter because their recording begins there.")
    cap: dict[str, float] = Field({}, description="Largest value of a column; larger ones become it.")

    @model_validator(mode="after")
    def _check(self) -> Settings:
        ends = [self.borders[split] for split in SPLITS if split in self.borders]
        if self.borders and (ends != sorted(ends) or "train" not in self.borders):
            raise ValueError("borders: must name train and rise from train over validation to test")
        if self.reference is not None and self.ahead:
            raise ValueError("reference: steps ahead are forecast in the user's units; leave it out")
        if self.step is not None and self.repeated == "keep":
            raise ValueError("step: two rows cannot have one place; it needs repeated: refuse")
        if self.known and not self.ahead:
            raise ValueError("known has no effect without ahead; name the columns among `columns`")
        if {HISTORY, WINDOW, KNOWN} & {self.by, self.order, *self.cap}:
            raise ValueError("history, window and known are names of cells")
        return self


def open_tables(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Read the files of each split and turn their rows into windows."""
    found = find(settings.path, SUFFIXES, listener)
    tables = {split: join([(file, read(file)) for file in files]) for split, files in found.items()}
    lines = {split: _timeline(tables[split], split, settings) for split in SPLITS if split in tables}
    made: dict[Split, Timeline] = {}
    if settings.borders:
        twice = [split for split in settings.borders if split != "train" and split in lines]
        if "train" not in lines:
            raise DataError("borders: cut the file of train, and there is none")
        if twice:
            raise DataError(f"borders: {twice[0]} is cut from train, but there is a file of that split, too")
        made = dict.fromkeys(settings.borders, bordered(lines["train"], settings.borders))
    for split, line in lines.items():
        made.setdefault(split, replace(line, split_P=np.full(len(line.row_P), SPLITS.index(split))))
    if settings.continues:
        whole = merged(made, settings.order, may_repeat=settings.repeated == "keep")
        made = dict.fromkeys(made, whole)
    return {split: _windows(made[split], split, settings, listener) for split in SPLITS if split in made}


def open_questions(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Return the windows to predict from: the one that ends with the last values of each recording, where steps ahead
    are forecast or only last windows were tested, else all.
    """
    found = find(settings.path, SUFFIXES, listener)
    table = join([(file, read(file)) for files in found.values() for file in files])
    present = {name: largest for name, largest in settings.cap.items() if name in table.column_names}
    settings = settings.model_copy(update={"cap": present})
    line = _timeline(table, "input", settings)
    values_PC = line.spread(np.stack([numbers(line.table, name, "input") for name in settings.columns], axis=1))
    is_end_P = (line.row_P >= 0) & ~np.isnan(values_PC).all(1)
    if settings.ahead or "test" in settings.last_only:
        place_P = np.where(is_end_P, np.arange(len(is_end_P)), -1)
        is_end_P &= np.maximum.reduceat(place_P, np.unique(line.start_P))[line.recording] == place_P
    need_P = np.arange(len(is_end_P)) + settings.ahead < line.stop_P
    if settings.known and not (need_P | ~is_end_P).all():
        raise DataError(f"input: {settings.known} must be known for {settings.ahead} steps after the last values")
    ends_E = _long_enough(line, np.flatnonzero(is_end_P), "input", settings, listener)
    return {"test": _cut(line, ends_E, "input", settings)}


def _timeline(table: pa.Table, split: str, settings: Settings) -> Timeline:
    by = [settings.by] if settings.by is not None else []
    check_columns(table, split, [*by, settings.order, *settings.columns, *settings.known, *settings.cap])
    check_moments(table, split, settings.by, settings.order, may_repeat=settings.repeated == "keep")
    return timeline(table, split, settings.by, settings.order, settings.step)


def _windows(line: Timeline, split: str, settings: Settings, listener: Listener) -> pa.Table:
    ends_E = _ends(line, SPLITS.index(split), settings.ahead)
    ends_E = _long_enough(line, ends_E, split, settings, listener)
    unused = int((line.split_P == NO_SPLIT).sum())
    if unused and split == "train":
        listener.line(f"{unused:,} rows lie after the last border and are not used")
    recording_E = line.recording[ends_E]
    last_E = ends_E[np.searchsorted(recording_E, recording_E, side="right") - 1]
    is_kept_E = last_E == ends_E if split in settings.last_only else (last_E - ends_E) % settings.every == 0
    return _cut(line, ends_E[is_kept_E], split, settings)


def _ends(line: Timeline, code: int, ahead: int) -> np.ndarray:
    """Return the places of the rows that end a history whose steps ahead, or itself, lie in the split."""
    place_P = np.arange(len(line.row_P))
    first_P, last_P = place_P + min(ahead, 1), place_P + ahead
    is_inside_P = last_P < line.stop_P
    first_P, last_P = (np.where(is_inside_P, at_P, 0) for at_P in (first_P, last_P))
    is_of_split_P = (line.split_P[first_P] == code) & (line.split_P[last_P] == code)
    return np.flatnonzero(is_inside_P & is_of_split_P & (line.row_P >= 0))


def _long_enough(line: Timeline, ends_E: np.ndarray, split: str, settings: Settings, listener: Listener) -> np.ndarray:
    """Return the ends with a whole history; recordings without any are told, and DataError if none is left."""
    if settings.partial and len(ends_E):
        return ends_E
    kept_E = ends_E[ends_E - line.start_P[ends_E] + 1 >= settings.length]
    if not len(kept_E):
        longest = int((line.stop_P - line.start_P).max(initial=0))
        needed = f"{settings.length}" + (f" + {settings.ahead}" if settings.ahead else "")
        raise DataError(
            f"{split}: column {settings.order}: no recording has {needed} rows (the longest has {longest}); "
            "set a smaller length"
        )
    dropped = len(np.unique(line.recording[ends_E])) - len(np.unique(line.recording[kept_E]))
    if dropped:
        listener.warn(
            f"{split}: {dropped} recordings are shorter than {settings.length} rows and left out; "
            "`partial: true` keeps them"
        )
    return kept_E


def _cut(line: Timeline, ends_E: np.ndarray, split: str, settings: Settings) -> pa.Table:
    """Return one row per window: the columns of its last step, and the cells."""
    import pyarrow as pa

    kept = line.table.take(pa.array(line.row_P[ends_E]))
    cells = {*settings.columns, *settings.known}
    arrays = {name: kept[name] for name in line.table.column_names if name not in cells}
    for name, largest in settings.cap.items():
        arrays[name] = pa.array(np.minimum(numbers(kept, name, split), largest), from_pandas=True)
    begin_E = np.maximum(ends_E - settings.length + 1, line.start_P[ends_E])
    stop_E = np.minimum(ends_E + 1 + settings.ahead, line.stop_P[ends_E])
    channels = _records(line, settings.columns, split, settings.reference)
    arrays[HISTORY] = _views(channels, begin_E, ends_E + 1)
    if settings.ahead:
        arrays[WINDOW] = _views(channels, begin_E, stop_E)
    if settings.known:
        arrays[KNOWN] = _views(_records(line, settings.known, split), begin_E, stop_E)
    return pa.table(arrays)


def _records(line: Timeline, names: list[str], split: str, reference: int | None = None) -> pa.StructArray:
    import pyarrow as pa

    values = [line.spread(numbers(line.table, name, split)) for name in names]
    if reference is not None:
        values = [line.relative(values_P, reference) for values_P in values]
    return pa.StructArray.from_arrays([pa.array(values_P, pa.float64()) for values_P in values], names)


def _views(records: pa.StructArray, begin_E: np.ndarray, stop_E: np.ndarray) -> pa.Array:
    """Return lists that share their values: windows overlap, and copies would fill the memory."""
    import pyarrow as pa

    starts, sizes = (pa.array(values.astype(np.int32)) for values in (begin_E, stop_E - begin_E))
    return pa.ListViewArray.from_arrays(starts, sizes, records)
