"""Interaction logs (who took what, when): for each user what came before, and what follows.

From rows `user_id, item_id, timestamp` come rows with the user, `history` (items so far, oldest first) and `next` (the
items that follow). A user's interactions are ordered by time, those of one moment as in the file. Where the files name
no splits, the last interaction of each user is for test, the one before it for validation; a row to be judged has the
one item as `next` and everything before it as `history`. `rows: interactions` leaves the log as it is, for ratings.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, StringConstraints

from dlw.columns import one_array, to_codes
from dlw.errors import DataError, did_you_mean
from dlw.progress import Listener
from dlw.sources._base import SourceSettings
from dlw.sources._files import SPLITS, find
from dlw.sources._recordings import SUFFIXES, check_columns, read
from dlw.sources._tables import join

if TYPE_CHECKING:
    import pyarrow as pa

HISTORY, NEXT = "history", "next"
Inside = Annotated[str, StringConstraints(pattern=r"^[\w-][\w.-]*(/[\w-][\w.-]*)*$")]
"""A file below the folder of the log."""


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


def claims(path: Path) -> bool:
    """Never: logs are asked for by name."""
    return False


def open_tables(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Read the log and turn it into rows for each split."""
    log, split_N = _read(settings, listener)
    side = _side(settings)
    if settings.rows == "interactions":
        return {"train": _joined(log, side, settings)}
    order_N, user_N = _ordered(log, settings)
    split_N = split_N[order_N] if split_N.any() else _leave_last_out(user_N)
    writer = _Rows(log, order_N, side, settings)
    for start, stop in _extents(user_N):
        writer.add_user(start, split_N[start:stop])
    return {split: _joined(table, side, settings) for split, table in writer.tables().items()}


def open_questions(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Read rows to answer: of a log one row per user, with everything so far as history; others as they are."""
    (files,) = find(settings.path, SUFFIXES, listener).values()
    table = join([(file, read(file)) for file in files])
    if settings.rows == "interactions" or HISTORY in table.column_names:
        return {"train": _joined(table, _side(settings, must_exist=False), settings)}
    _check_columns(table, settings, files[0])
    order_N, user_N = _ordered(table, settings)
    writer = _Rows(table, order_N, {}, settings.model_copy(update={"title": None}))
    for start, stop in _extents(user_N):
        writer.add("test", start, stop, stop, stop)
    asked = writer.tables()["test"].drop_columns([NEXT])
    return {"train": _joined(asked, _side(settings, must_exist=False), settings)}


class _Rows:
    """Rows of each split, as places in the ordered log."""

    def __init__(self, log: pa.Table, order_N: np.ndarray, side: dict[str, pa.Table], settings: Settings) -> None:
        self._settings = settings
        items, users = (one_array(log[name]).to_pylist() for name in (settings.item, settings.user))
        titles = _titles(side, settings)
        self._values: list[Any] = [
            {"id": items[row], "title": titles.get(items[row])} if titles else items[row] for row in order_N
        ]
        self._users = [users[row] for row in order_N]
        self._found: dict[str, list[tuple[int, int, int, int]]] = {}

    def add_user(self, start: int, split_N: np.ndarray) -> None:
        """Add the rows of one user, whose interactions begin at `start`."""
        learned = int((split_N == 0).sum())
        if (split_N[:learned] == 0).all():
            self._add_pieces(start, start + learned)
        else:
            raise DataError(
                f"user {self._users[start]}: an interaction of the train split comes after one that is to be judged; "
                "let the last ones be judged, or name one file without splits"
            )
        for place in np.flatnonzero(split_N):
            here = start + int(place)
            self.add(SPLITS[split_N[place]], start, here, here, here + 1)

    def add(self, split: str, start: int, stop: int, first: int, last: int) -> None:
        """Add a row with the history [start, stop) and what follows [first, last)."""
        self._found.setdefault(split, []).append((start, stop, first, last))

    def _add_pieces(self, start: int, stop: int) -> None:
        """Cut a user's training interactions into histories, each step followed by the next item."""
        length = self._settings.length
        while stop - start >= 2:
            end = stop if stop - start - length <= 1 else start + length
            self.add("train", start, end, start + 1, min(end + 1, stop))
            start = end

    def tables(self) -> dict[str, pa.Table]:
        """Return what was added."""
        import pyarrow as pa

        tables = {}
        for split in SPLITS:
            rows = self._found.get(split, [])
            if rows:
                columns = {
                    self._settings.user: [self._users[min(start, len(self._users) - 1)] for start, _, _, _ in rows],
                    HISTORY: [self._values[start:stop] for start, stop, _, _ in rows],
                    NEXT: [self._values[first:last] for _, _, first, last in rows],
                }
                tables[split] = pa.table(columns)
        return tables


def _read(settings: Settings, listener: Listener) -> tuple[pa.Table, np.ndarray]:
    """Return the log and the split of each row, 0 where it is train."""
    found = find(settings.path, SUFFIXES, listener)
    parts = [(file, read(file)) for split in SPLITS for file in found.get(split, [])]
    of_part = [SPLITS.index(split) for split in SPLITS for _ in found.get(split, [])]
    log = join(parts)
    _check_columns(log, settings, parts[0][0])
    return log, np.repeat(of_part, [len(table) for _, table in parts])


def _check_columns(log: pa.Table, settings: Settings, path: Path) -> None:
    wanted = [settings.user, settings.item, *([settings.time] if settings.time else [])]
    check_columns(log, str(path), wanted)
    for name in wanted:
        if log[name].null_count:
            raise DataError(f"column {name}: {log[name].null_count} values are missing; a log needs them all")


def _ordered(log: pa.Table, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Return the order by user (as first seen) and time, ties as in the file, and the user of each ordered row."""
    import pyarrow.compute as pc

    users = to_codes(log[settings.user])[0]
    moments = np.zeros(len(log), np.int64)
    if settings.time:
        moments = np.asarray(pc.rank(one_array(log[settings.time]), tiebreaker="min").to_numpy(), np.int64)
    order = np.lexsort((np.arange(len(log)), moments, users))
    return order, users[order]


def _extents(user_N: np.ndarray) -> list[tuple[int, int]]:
    """Return the first row of each user, and the row after its last."""
    starts = np.flatnonzero(np.append(True, user_N[1:] != user_N[:-1])[: len(user_N)])
    return list(zip(starts.tolist(), [*starts[1:].tolist(), len(user_N)], strict=True))


def _leave_last_out(user_N: np.ndarray) -> np.ndarray:
    """Return the split of each row: the last of a user is test, the one before validation; two rows are too few."""
    split_N = np.zeros(len(user_N), np.int64)
    for start, stop in _extents(user_N):
        if stop - start > 2:
            split_N[stop - 2 : stop] = 1, 2
    return split_N


def _side(settings: Settings, *, must_exist: bool = True) -> dict[str, pa.Table]:
    """Return the tables to join by the column they share with the log; those that need not be there may be missing."""
    first = Path(settings.path if isinstance(settings.path, str) else settings.path[0])
    folder = first if first.is_dir() else first.parent
    tables = {}
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


def _titles(side: dict[str, pa.Table], settings: Settings) -> dict[Any, str]:
    if settings.title is None:
        return {}
    table = side.get(settings.item)
    if table is None or settings.title not in table.column_names:
        raise DataError(f"title: {settings.title}: no such column in a table joined by {settings.item} (see `side`)")
    keys, titles = (one_array(table[name]).to_pylist() for name in (settings.item, settings.title))
    return {key: str(title) for key, title in zip(keys, titles, strict=True)}


def _joined(table: pa.Table, side: dict[str, pa.Table], settings: Settings) -> pa.Table:
    """Add the columns of the side tables whose key the table has; rows without a match get gaps."""
    import pyarrow.compute as pc

    for by, other in side.items():
        if by in table.column_names:
            rows = pc.index_in(one_array(table[by]).cast(other.schema.field(by).type), value_set=one_array(other[by]))
            for name in other.column_names:
                if name not in table.column_names:
                    table = table.append_column(name, one_array(other[name]).take(rows))
    return table
