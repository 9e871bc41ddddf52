"""Tables larger than memory: shards on disk or far away, read when their rows are asked for.

A ShardedTable chooses and counts rows like a pyarrow.Table (`len`, `column_names`, `schema`, `select`, `slice`, `take`)
and reads nothing for that. `load` reads the rows that were chosen, `gather` and `table[name]` whole columns.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw.errors import DataError
from dlw.progress import size_text

if TYPE_CHECKING:
    import pyarrow as pa

MOST_MIXED = 64
"""Shards whose rows are mixed at most: more read ahead at the start, and the order hardly gets better."""
SAMPLED_ROWS = 20_000
"""Rows that stand for all of a table on disk where columns are decided and fields are fitted."""
SAMPLED_SHARDS = 16
"""Shards that a sample of rows is drawn from."""


@dataclass(frozen=True, eq=False)
class Shard:
    """Rows that are read together: a row group, a run of lines, a record batch."""

    name: str
    """The file and the place in it, for messages."""
    num_rows: int
    num_bytes: int
    """About what all its columns take in memory."""
    read: Callable[[Sequence[str]], pa.Table]
    """Returns some columns of all its rows, in the types of the table's schema."""


class Pool:
    """The shards used last, up to `limit_bytes` of memory; shared by threads and by all tables of a source."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._held: OrderedDict[Any, Future[pa.Table]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Any, read: Callable[[], pa.Table]) -> pa.Table:
        """Return what `read` returns, read once for all threads that ask for the key; an error is raised in each."""
        with self._lock:
            found = self._held.get(key)
            is_mine = found is None
            if found is None:
                found = self._held[key] = Future()
            self._held.move_to_end(key)
        if is_mine:
            try:
                found.set_result(read())
            except BaseException as error:
                found.set_exception(error)
                with self._lock:
                    self._held.pop(key, None)
                raise
            self._shrink()
        return found.result()

    def _shrink(self) -> None:
        with self._lock:
            whole = {key: future for key, future in self._held.items() if future.done() and not future.exception()}
            done = [(key, future.result().nbytes) for key, future in whole.items()]
            total = sum(size for _, size in done)
            for key, size in done[:-1]:
                if total > self.limit_bytes:
                    del self._held[key]
                    total -= size


@dataclass(frozen=True, eq=False)
class ShardedTable:
    """Rows of shards that share a schema.

    `rows` are the numbers of the chosen ones, a range or int64 [N]. `edits` are columns and what is made of their
    values when they are read. `identity` stands for the bytes of the files, as far as `sources` tells.
    """

    shards: tuple[Shard, ...]
    schema: pa.Schema
    pool: Pool
    identity: str
    rows: range | np.ndarray
    edits: tuple[tuple[str, Callable[[pa.ChunkedArray], Any]], ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return len(self.rows)

    @property
    def column_names(self) -> list[str]:
        """The names of the columns."""
        return list(self.schema.names)

    @property
    def nbytes(self) -> int:
        """About what the rows take in memory."""
        return int(sum(shard.num_bytes for shard in self.shards) / max(1, self._starts[-1]) * len(self))

    @cached_property
    def _starts(self) -> np.ndarray:
        """int64 [S + 1]: the number of the first row of each shard, and of all rows."""
        return np.cumsum([0, *(shard.num_rows for shard in self.shards)], dtype=np.int64)

    @cached_property
    def bounds(self) -> np.ndarray:
        """int64 [K + 1]: the places among the chosen rows where those of another shard begin, and their number."""
        if isinstance(self.rows, range):
            places = np.clip(self._starts - self.rows.start, 0, len(self))
        else:
            places = np.searchsorted(self.rows, self._starts)
        return np.unique(np.concatenate([[0], places, [len(self)]]))

    def select(self, names: Sequence[str]) -> ShardedTable:
        """Return some columns."""
        import pyarrow as pa

        fields = [self.schema.field(name) for name in names]
        return replace(self, schema=pa.schema(fields, self.schema.metadata))

    def slice(self, offset: int, length: int | None = None) -> ShardedTable:
        """Return the rows from place `offset` on, `length` of them."""
        stop = len(self) if length is None else min(offset + length, len(self))
        return replace(self, rows=self.rows[offset:stop])

    def take(self, places: Any) -> ShardedTable:
        """Return the rows at some places, int [N], in that order."""
        places = np.asarray(places, np.int64)
        if isinstance(self.rows, range):
            return replace(self, rows=places + self.rows.start)
        return replace(self, rows=self.rows[places])

    def edited(self, name: str, edit: Callable[[pa.ChunkedArray], Any], kind: pa.DataType) -> ShardedTable:
        """Return the table with a column replaced by what `edit` makes of its values, of the type `kind`."""
        import pyarrow as pa

        schema = self.schema.set(self.schema.get_field_index(name), pa.field(name, kind))
        return replace(self, schema=schema, edits=(*self.edits, (name, edit)))

    def load(self) -> pa.Table:
        """Read the rows."""
        import pyarrow as pa

        if isinstance(self.rows, range):
            return pa.concat_tables([self._in_range(place) for place in self._shards_of_range()] or [self._nothing()])
        of_shard = np.searchsorted(self._starts, self.rows, side="right") - 1
        order = np.argsort(of_shard, kind="stable")
        parts = []
        for part in np.split(order, np.flatnonzero(np.diff(of_shard[order])) + 1) if len(order) else []:
            place = int(of_shard[part[0]])
            parts.append(self._read(place).take(pa.array(self.rows[part] - self._starts[place])))
        found = pa.concat_tables(parts or [self._nothing()])
        if len(parts) > 1 and (np.diff(order) < 0).any():
            back = np.empty_like(order)
            back[order] = np.arange(len(order))
            found = found.combine_chunks().take(pa.array(back))
        return found

    def pieces(self, most_rows: int) -> Iterator[ShardedTable]:
        """Yield all rows in order, at most so many at once and none of two shards together."""
        for start, stop in zip(self.bounds[:-1].tolist(), self.bounds[1:].tolist(), strict=True):
            for place in range(start, stop, most_rows):
                yield self.slice(place, min(most_rows, stop - place))

    def gather(self, names: Sequence[str], limit_bytes: int) -> pa.Table:
        """Return whole columns, in one pass: those of `names` that fit into so many bytes together, smaller ones first.

        What does not fit is seen from the first rows of a column, and again whenever it turns out larger.
        """
        import pyarrow as pa

        kept, parts, done = list(dict.fromkeys(names)), [], 0
        for piece in self.pieces(len(self)):
            part = piece.select(kept).load()
            parts.append(part)
            done += len(part)
            sizes = {name: sum(one[name].nbytes for one in parts) / done * len(self) for name in kept}
            while kept and sum(sizes[name] for name in kept) > limit_bytes:
                kept.remove(max(kept, key=lambda name: sizes[name]))
            parts = [one.select(kept) for one in parts]
            if not kept:
                break
        return pa.concat_tables(parts) if parts else self._nothing().select(kept)

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        """Return a whole column; DataError where it is too large."""
        found = self.gather([name], self.pool.limit_bytes)
        if name not in found.column_names:
            raise DataError(
                f"column {name} of {len(self):,} rows is needed whole, and does not fit half of data.memory_budget: "
                f"set that to more than {size_text(2 * self.pool.limit_bytes)}, or choose a split that needs "
                "no column (slices, random, position)"
            )
        return found[name]

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a whole column, as `table[name]`."""
        return self[name]

    def sample(self, most_rows: int, limit_bytes: int) -> ShardedTable:
        """Return rows chosen at random, always the same, in order: of a few shards, and no more than fit into so many
        bytes."""
        rng = np.random.Generator(np.random.Philox(key=[0, len(self)]))
        starts, stops = self.bounds[:-1], self.bounds[1:]
        chosen = np.sort(rng.permutation(len(starts))[:SAMPLED_SHARDS])
        row_bytes = max(1, self.nbytes // max(1, len(self)))
        count = max(2, min(most_rows, limit_bytes // row_bytes))
        places = np.concatenate([np.arange(starts[shard], stops[shard]) for shard in chosen])
        return self.take(np.sort(rng.permutation(places)[:count]))

    def window(self) -> int:
        """Return how many shards may be mixed: so many, and one that is read ahead, fit the pool.

        Measured on the first shard, so it is a function of the data and of the limit. DataError if not even two fit.
        """
        row_bytes = self._read(self._first()).nbytes / self.shards[self._first()].num_rows
        largest = row_bytes * max(shard.num_rows for shard in self.shards)
        if 2 * largest > self.pool.limit_bytes:
            shard = max(self.shards, key=lambda shard: shard.num_rows)
            raise DataError(
                f"{shard.name}: its {shard.num_rows:,} rows are read together and take about {size_text(largest)}, "
                f"more than a quarter of data.memory_budget; write the file again with smaller row groups "
                f"(row_group_size of pyarrow.parquet.write_table), or set a larger budget"
            )
        return int(min(MOST_MIXED, self.pool.limit_bytes / (1.25 * largest) - 1, len(self.shards))) or 1

    def digest(self) -> bytes:
        """Return what stands for the rows: of the files, and of which rows were chosen."""
        found = hashlib.blake2b(self.identity.encode(), digest_size=32)
        is_range = isinstance(self.rows, range)
        found.update(repr(self.rows).encode() if is_range else np.ascontiguousarray(self.rows).data)
        return found.digest()

    def _first(self) -> int:
        return int(np.searchsorted(self._starts, self.rows[0], side="right") - 1) if len(self) else 0

    def _shards_of_range(self) -> range:
        if not len(self):
            return range(0)
        last = int(np.searchsorted(self._starts, self.rows[-1], side="right"))
        return range(self._first(), last)

    def _in_range(self, place: int) -> pa.Table:
        """Return the chosen rows of a shard, where a range is chosen."""
        assert isinstance(self.rows, range)
        start = max(self.rows.start - int(self._starts[place]), 0)
        stop = min(self.rows.stop - int(self._starts[place]), self.shards[place].num_rows)
        return self._read(place).slice(start, stop - start)

    def _read(self, place: int) -> pa.Table:
        """Return a shard's columns, edited."""
        shard, names = self.shards[place], tuple(self.schema.names)
        edits = tuple(edit for edit in self.edits if edit[0] in names)

        def read() -> pa.Table:
            table = shard.read(names)
            for name, edit in edits:
                table = table.set_column(table.column_names.index(name), name, edit(table[name]))
            return table

        return self.pool.get((shard, names, edits), read)

    def _nothing(self) -> pa.Table:
        import pyarrow as pa

        return pa.Table.from_batches([], schema=self.schema)


def loaded(table: Any) -> pa.Table:
    """Return a table in memory: itself, or the rows of a ShardedTable."""
    return table.load() if isinstance(table, ShardedTable) else table


def sampled(table: Any, limit_bytes: int) -> pa.Table:
    """Return rows that stand for all of a ShardedTable, in memory; a table in memory as it is."""
    return table.sample(SAMPLED_ROWS, limit_bytes).load() if isinstance(table, ShardedTable) else table


def in_pieces(table: Any, most_rows: int) -> Iterator[pa.Table]:
    """Yield the rows of a table in memory: a ShardedTable piece by piece, another one whole."""
    if isinstance(table, ShardedTable):
        yield from (piece.load() for piece in table.pieces(most_rows))
    else:
        yield table
