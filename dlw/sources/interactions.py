"""Interaction logs (who took what, when): for each user what came before, and what follows.

From rows `user_id, item_id, timestamp` come rows with the user, `history` (items so far, oldest first) and `next` (the
items that follow). A user's interactions are ordered by time, those of one moment as in the file. Where the files name
no splits, the last interaction of each user is for test, the one before it for validation; a row to be judged has the
one item as `next` and everything before it as `history`. `rows: interactions` leaves the log as it is, for ratings.
Shape legend: N interactions, U users, R rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field, StringConstraints

from dlw.columns import one_array, to_codes
from dlw.errors import DataError, did_you_mean
from dlw.progress import Listener
from dlw.sources._base import SourceSettings
from dlw.sources._files import SPLITS, find
from dlw.sources._recordings import SUFFIXES, check_columns, extents, read
from dlw.sources._tables import join

if TYPE_CHECKING:
    import pyarrow as pa

HISTORY, NEXT = "history", "next"
Inside = Annotated[str, StringConstraints(pattern=r"^[\w-][\w.-]*(/[\w-][\w.-]*)*$")]
"""A file below the folder of the log."""
Spans = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Of rows [R], places in the ordered log: where the history starts and stops, and what follows starts and stops."""


class Settings(SourceSettings):
    """Options of interaction logs."""

    path: str | list[str] = Field(description="CSV or parquet: file, files, glob or folder.")
    user: str = Field("user_id", description="Column that names the user.")
    item: str = Field("item_id", description="Column that names what was taken.")
    time: str | None = Field("timestamp", description="Column that orders the rows; none: the order of the file.")
    rows: Literal["sequences", "interactions"] = Field(
        "sequences",
        description="sequences: one row a user (long ones in pieces), with `history` and `next`; interactions: the "
        "rows of all files as one table, as they are.",
    )
    length: int = Field(200, ge=2, le=100_000, description="Most items in the history of a training row.")
    side: dict[str, Inside] = Field(
        {},
        description="Tables to join: the column that they share with the log, and a file below the log's folder.",
    )
    title: str | None = Field(None, description="Column of a joined table that says what an item is called.")


def open_tables(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Read the log and turn it into rows for each split."""
    log, split_N = _read(settings, listener)
    _check(log, settings)
    side = _side(settings)
    if settings.rows == "interactions":
        return {"train": _joined(log, side)}
    order_N = _order(log, settings)
    log, split_N = log.take(order_N), split_N[order_N]
    start_N, stop_N = extents(log[settings.user])
    if split_N.any():
        _check_order(log, split_N, start_N, settings)
    else:
        split_N = _leave_last_out(start_N, stop_N)
    spans = {split: _judged(start_N, np.flatnonzero(split_N == code)) for code, split in enumerate(SPLITS)}
    spans["train"] = _learned(*np.unique(start_N[split_N == 0], return_counts=True), settings.length)
    items = _items(log, side, settings)
    tables: dict[str, pa.Table] = {}
    for split, (start_R, stop_R, first_R, last_R) in spans.items():
        if len(start_R):
            rows = {HISTORY: _lists(items, start_R, stop_R), NEXT: _lists(items, first_R, last_R)}
            tables[split] = _joined(_of_users(log, start_R, rows, settings), side)
    return tables


def open_questions(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Read rows to answer: of a log one row per user, with everything so far as history; others as they are."""
    table, _ = _read(settings, listener)
    side = _side(settings, must_exist=False)
    if settings.rows == "interactions" or HISTORY in table.column_names:
        return {"train": _joined(table, side)}
    _check(table, settings)
    log = table.take(_order(table, settings))
    start_R, stop_R = (np.unique(at_N) for at_N in extents(log[settings.user]))
    rows = {HISTORY: _lists(one_array(log[settings.item]), start_R, stop_R)}
    return {"train": _joined(_of_users(log, start_R, rows, settings), side)}


def _read(settings: Settings, listener: Listener) -> tuple[pa.Table, np.ndarray]:
    """Return the rows of all files, and the split of each, 0 where it is train."""
    found = find(settings.path, SUFFIXES, listener)
    parts = [(file, read(file)) for files in found.values() for file in files]
    of_part = [SPLITS.index(split) for split, files in found.items() for _ in files]
    return join(parts), np.repeat(of_part, [len(table) for _, table in parts])


def _check(log: pa.Table, settings: Settings) -> None:
    """Raise DataError where a log has no rows, lacks a column or has gaps in one."""
    wanted = [settings.user, settings.item, *([settings.time] if settings.time else [])]
    check_columns(log, "log", wanted)
    if not len(log):
        raise DataError("log: has no rows")
    for name in wanted:
        if log[name].null_count:
            raise DataError(f"column {name}: {log[name].null_count} values are missing; a log needs them all")


def _order(log: pa.Table, settings: Settings) -> np.ndarray:
    """Return the order by user (as first seen) and time, ties as in the file."""
    import pyarrow.compute as pc

    users = to_codes(log[settings.user])[0]
    moments = np.zeros(len(log), np.int64)
    if settings.time:
        moments = np.asarray(pc.rank(one_array(log[settings.time]), tiebreaker="min").to_numpy(), np.int64)
    return np.lexsort((moments, users))


def _check_order(log: pa.Table, split_N: np.ndarray, start_N: np.ndarray, settings: Settings) -> None:
    """Raise DataError where an interaction of a later split comes before one of an earlier split."""
    is_back_N = (np.diff(split_N, prepend=0) < 0) & (np.arange(len(split_N)) > start_N)
    if is_back_N.any():
        row = int(np.argmax(is_back_N))
        raise DataError(
            f"user {log[settings.user][row].as_py()}: an interaction of the {SPLITS[split_N[row]]} split comes after "
            f"one of the {SPLITS[split_N[row - 1]]} split; let the last ones be judged, or name one file without splits"
        )


def _leave_last_out(start_N: np.ndarray, stop_N: np.ndarray) -> np.ndarray:
    """Return the split of each row: the last of a user is test, the one before validation; two rows are too few."""
    left_N = stop_N - 1 - np.arange(len(stop_N))
    return np.where(stop_N - start_N > 2, np.maximum(2 - left_N, 0), 0)


def _judged(start_N: np.ndarray, place_R: np.ndarray) -> Spans:
    """Return rows to be judged: all that came before in the log, and the one item that follows."""
    return start_N[place_R], place_R, place_R, place_R + 1


def _learned(start_U: np.ndarray, count_U: np.ndarray, length: int) -> Spans:
    """Cut the training interactions of each user into histories, each step followed by the next item."""
    pieces_U = -(-(count_U - 1) // length)  # the last may hold one item more, which only follows
    user_R = np.repeat(np.arange(len(start_U)), pieces_U)
    piece_R = np.arange(len(user_R)) - (np.cumsum(pieces_U) - pieces_U)[user_R]
    end_R = (start_U + count_U)[user_R]
    start_R = start_U[user_R] + piece_R * length
    stop_R = np.where(piece_R == pieces_U[user_R] - 1, end_R, start_R + length)
    return start_R, stop_R, start_R + 1, np.minimum(stop_R + 1, end_R)


def _of_users(log: pa.Table, start_R: np.ndarray, columns: dict[str, pa.Array], settings: Settings) -> pa.Table:
    """Return the columns of rows that begin at `start_R` behind their user."""
    import pyarrow as pa

    return pa.table({settings.user: log[settings.user].take(start_R), **columns})


def _lists(values: pa.Array, start_R: np.ndarray, stop_R: np.ndarray) -> pa.ListArray:
    """Return the values from each start to its stop."""
    import pyarrow as pa

    offsets = np.concatenate([[0], np.cumsum(stop_R - start_R)])
    places = np.arange(offsets[-1]) + np.repeat(start_R - offsets[:-1], stop_R - start_R)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values.take(pa.array(places)))


def _items(log: pa.Table, side: dict[str, pa.Table], settings: Settings) -> pa.Array:
    """Return the items of a log, as records {id, title} where titles are asked for."""
    import pyarrow as pa

    items = one_array(log[settings.item])
    if settings.title is None:
        return items
    table = side.get(settings.item)
    if table is None or settings.title not in table.column_names:
        raise DataError(f"title: {settings.title}: no such column in a table joined by {settings.item} (see `side`)")
    titles = one_array(table[settings.title]).cast(pa.string()).take(_matches(items, one_array(table[settings.item])))
    return pa.StructArray.from_arrays([items, titles], ["id", "title"])


def _side(settings: Settings, *, must_exist: bool = True) -> dict[str, pa.Table]:
    """Return the tables to join by the column they share with the log; those that need not be there may be missing."""
    first = Path(settings.path if isinstance(settings.path, str) else settings.path[0])
    folder = first if first.is_dir() else first.parent
    tables: dict[str, pa.Table] = {}
    for by, name in settings.side.items():
        if not (folder / name).is_file():
            if must_exist:
                raise DataError(f"side.{by}: {folder / name}: no such file")
            continue
        table = read(folder / name)
        if by not in table.column_names:
            raise DataError(f"{folder / name}: no column {by}{did_you_mean(by, table.column_names)}")
        tables[by] = table
    return tables


def _joined(table: pa.Table, side: dict[str, pa.Table]) -> pa.Table:
    """Add the columns of the side tables whose key the table has; rows without a match get gaps."""
    for by, other in side.items():
        if by in table.column_names:
            rows = _matches(one_array(table[by]), one_array(other[by]))
            for name in other.column_names:
                if name not in table.column_names:
                    table = table.append_column(name, one_array(other[name]).take(rows))
    return table


def _matches(keys: pa.Array, known: pa.Array) -> pa.Array:
    """Return where each key is among the known ones, null where it is not; other types are compared as text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        keys = keys.cast(known.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        keys, known = keys.cast(pa.string()), known.cast(pa.string())
    return pc.index_in(keys, value_set=known)
