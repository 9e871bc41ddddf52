"""Tables whose rows follow one another: recordings of machines over time, and logs of who took what."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlw.columns import one_array, to_codes
from dlw.fields._columns import family
from dlw.sources._files import split_of, walk
from dlw.sources._recordings import SUFFIXES, read
from dlw.verbs._new.columns import Column

if TYPE_CHECKING:
    import pyarrow as pa

LEAST_STEPS = 8
"""Rows of a recording, on average: fewer are repeats, not a series."""
REGULAR = 0.8
"""Share of the steps that are as long as the usual one of their recording."""
SEASONS = ((60, 60), (300, 288), (600, 144), (900, 96), (1800, 48), (3600, 24), (86_400, 7), (604_800, 52))
"""Seconds from row to row, and after how many rows a day, a week or a year is over."""
_MONTH_SECONDS = (2_419_200, 2_678_400)
_USER = re.compile(r"(user|customer|client|member|reader|visitor|session|person|buyer)(_?(id|no|number))?", re.I)
_ITEM = re.compile(
    r"(item|product|article|movie|film|book|song|track|video|sku|game|page|course)(_?(id|no|number))?", re.I
)
_TITLE = re.compile(r"(.*_)?(title|name)", re.I)


@dataclass(frozen=True)
class Recordings:
    """Rows in the order of `order`, one recording per value of `by` or one in all. Steps in units of `order`."""

    by: str | None
    order: str
    is_time: bool
    is_regular: bool
    has_ties: bool
    step: float
    lengths: np.ndarray

    @property
    def season(self) -> int | None:
        """Rows after which a day, a week or a year is over, None where the step says none."""
        if not self.is_time:
            return None
        if _MONTH_SECONDS[0] <= self.step <= _MONTH_SECONDS[1]:
            return 12
        return dict(SEASONS).get(round(self.step))


@dataclass(frozen=True)
class Log:
    """The columns of an interaction log, and the tables beside it that say more about users and items."""

    user: str
    item: str
    time: str | None
    side: Mapping[str, str]
    title: str | None


def recordings(table: pa.Table, columns: Mapping[str, Column]) -> Recordings | None:
    """Return how the rows of a table follow one another, None where they do not."""
    if len(table) < 2 * LEAST_STEPS:
        return None
    times = [name for name, column in columns.items() if column.kind == "timestamp"]
    for order in times[:1]:
        if (found := _ordered(table, order, None, is_time=True)) is not None:
            return found
    numbers = [] if times else [name for name, column in columns.items() if _is_whole(column)]
    groups = [name for name, column in columns.items() if column.kind == "category" or _is_whole(column)]
    for order in times[:1] or numbers:
        for by in groups:
            if by != order and (found := _ordered(table, order, by, is_time=bool(times))) is not None:
                return found
    return None


def log(data: Path, columns: Mapping[str, Column]) -> Log | None:
    """Return the columns of a log by their names, None where there is no user or no item."""
    users = [name for name in columns if _USER.fullmatch(name)]
    items = [name for name in columns if _ITEM.fullmatch(name)]
    if len(users) != 1 or len(items) != 1:
        return None
    times = [name for name, column in columns.items() if column.kind == "timestamp"]
    times += [name for name in columns if re.fullmatch(r"(time|timestamp|ts|date|datetime)", name, re.I)]
    side, title = _beside(data, users[0], items[0]) if data.is_dir() else ({}, None)
    return Log(users[0], items[0], times[0] if times else None, side, title)


def log_beside(data: Path, files: Sequence[Path]) -> Path | None:
    """Return the log among tables that differ in their columns and name no split, None where not one alone is one."""
    tables = [file for file in files if file.name.lower().endswith(SUFFIXES)]
    if len(tables) < 2 or any(split_of(file.relative_to(data)) for file in tables):
        return None
    names = {file: read(file).column_names for file in tables}
    logs = [
        file for file, columns in names.items() if all(any(map(what.fullmatch, columns)) for what in (_USER, _ITEM))
    ]
    return logs[0] if len(logs) == 1 else None


def _beside(data: Path, user: str, item: str) -> tuple[dict[str, str], str | None]:
    """Return the tables of a folder that name no split and hold each user or item once, and the column of titles."""
    side: dict[str, str] = {}
    title = None
    for file in walk(data):
        inside = file.relative_to(data)
        if not file.name.lower().endswith(SUFFIXES) or split_of(inside):
            continue
        table = read(file)
        for key in (user, item):
            if key in table.column_names and key not in side and len(set(to_codes(table[key])[1])) == len(table):
                side[key] = inside.as_posix()
                texts = [name for name in table.column_names if family(table[name].type) == "text"]
                if key == item:
                    title = next((name for name in texts if _TITLE.fullmatch(name)), None)
    return side, title


def _is_whole(column: Column) -> bool:
    return column.kind in ("number", "") and bool(column.words) and all(type(word) is int for word in column.words)


def _ordered(table: pa.Table, order: str, by: str | None, *, is_time: bool) -> Recordings | None:
    """Return the recordings if rows are in order within each, steps of whole numbers being 1 without exception."""
    moment_N = moments(table[order])
    if moment_N is None:
        return None
    group_N = np.zeros(len(table), np.int64) if by is None else to_codes(table[by])[0]
    lengths = np.bincount(group_N[group_N >= 0])
    if (group_N < 0).any() or lengths.mean() < LEAST_STEPS or (by is not None and len(lengths) < 2):
        return None
    place_N = np.argsort(group_N, kind="stable")
    is_same = np.diff(group_N[place_N]) == 0
    steps = np.diff(moment_N[place_N])[is_same]
    if (steps < 0).any() or (not is_time and (steps != 1).any()):
        return None
    of_step = group_N[place_N][1:][is_same]
    usual = np.array([np.median(steps[of_step == group]) for group in range(len(lengths))])[of_step]
    is_regular = bool((steps == usual).mean() >= REGULAR)
    return Recordings(by, order, is_time, is_regular, bool((steps == 0).any()), float(np.median(steps)), lengths)


def moments(values: pa.ChunkedArray) -> np.ndarray | None:
    """Return float64 [N], times in seconds, of a column without gaps that orders rows; None of others."""
    import pyarrow as pa

    what = family(values.type)
    if values.null_count or what not in ("times", "numbers", "text"):
        return None
    if what == "text":
        try:
            return np.array(values.to_pylist(), "datetime64[ms]").astype(np.float64) / 1e3
        except ValueError:
            return None
    array = one_array(values)
    if what == "times":
        array = array.cast(pa.timestamp("ms"), safe=False).cast(pa.int64())
        return np.asarray(array.to_numpy(zero_copy_only=False), np.float64) / 1e3
    return np.asarray(array.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
