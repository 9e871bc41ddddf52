"""Batches of a split for training and validation: in memory, encoded as needed, or windows of a stream of tokens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlw.errors import DataError, UsageError
from dlw.packing import Packing, Windows, join, judging_windows, training_windows
from dlw.progress import Listener, Silent, size_text
from dlw.ragged import lengths
from dlw.shards import ShardedTable, loaded
from dlw.specs import INDEX, TARGET, Arrays
from dlw.verbs._cache import Cache, Encode, encoder
from dlw.verbs._digests import of_rows
from dlw.verbs._fitted import ROWS_AT_ONCE, Fitted
from dlw.verbs._memory import budget_bytes

if TYPE_CHECKING:
    import pyarrow as pa

    from dlw.engine.batches import Batches, Streamed
    from dlw.engine.hardware import Hardware
    from dlw.recipe.schema import Recipe

BYTES_TOGETHER = 8 * 2**20
"""Encoded rows of a stream that come to be at once, about."""
WARNED = 20
"""Rows left out of a stream are warned of one by one up to this many."""
TOKENS_FILE = "tokens-{split}.bin"


def make_batches(
    recipe: Recipe,
    fitted: Fitted,
    packing: Packing | None,
    table: pa.Table,
    split: str,
    hardware: Hardware,
    scratch: Path,
    listener: Listener,
    cache: Cache | None = None,
) -> tuple[Batches, Arrays]:
    """Return the batches of a split, and the arrays that decide its numbers as far as they are in memory.

    What does not fit the memory is written below `scratch`, which may be deleted while the batches are in use. What is
    encoded once is kept in `cache`; UsageError where one is given and rows in memory are encoded as they are needed.
    """
    from dlw.engine.batches import Resident

    data = recipe.data
    limit = budget_bytes(recipe) // (1 if data.memory_budget is None else 2)
    if isinstance(table, ShardedTable):
        table = table.select([column.name for column in fitted.columns if not column.is_dropped])
    num_bytes = fitted.row_bytes * len(table)
    is_resident = data.resident is True or (data.resident == "auto" and num_bytes < limit)
    if isinstance(table, ShardedTable) and not is_resident:
        cache = None  # encoded as needed; what took a pass over all rows is kept
    elif cache is not None and packing is None and not is_resident:
        raise UsageError(
            f"--cache keeps encoded rows that fit the memory, and {size_text(num_bytes)} of the {split} split "
            "are read and encoded as they are needed: leave it out, or set a larger data.memory_budget"
        )
    encode = encoder(fitted, cache)
    if packing is not None:
        file = None if is_resident else scratch / TOKENS_FILE.format(split=split)
        windows = pack(fitted, packing, table, split == "train", listener, data.max_bad, file, encode)
        told = f"{len(windows.stream.token_S):,} tokens in {len(windows.starts):,} windows of {windows.context}"
        listener.line(f"{split}: {told}, {'held in memory' if is_resident else 'mapped from a file'}")
        return _of_windows(fitted, windows, hardware), {"stream": windows.stream.token_S}
    told = f"{split}: {len(table):,} rows, {size_text(num_bytes)} encoded, "
    if is_resident:
        listener.line(told + "held in memory")
        encoded = encode(table, with_target=True, listener=listener, max_bad=data.max_bad)
        if len(encoded.rows) == 0:
            raise DataError(f"split {split}: none of its {len(table)} rows can be used")
        return Resident(encoded.arrays, hardware.device, fitted.ragged), encoded.arrays
    workers = recipe.train.workers
    reader = Reader(fitted, table, data.max_bad, listener)
    if isinstance(table, ShardedTable):
        batches = from_disk(reader, hardware, workers)
        assert batches.shards is not None
        num_shards = len(batches.shards.bounds) - 1
        listener.line(f"{told}read from {num_shards:,} shards, rows of {batches.shards.window} mixed at a time")
        return batches, {"table": np.frombuffer(table.digest(), np.uint8)}
    listener.line(told + "streamed")
    used = table.select([column.name for column in fitted.columns if not column.is_dropped])
    return _from_memory(reader, hardware, workers), {"table": np.frombuffer(of_rows(used).encode(), np.uint8)}


def _of_windows(fitted: Fitted, windows: Windows, hardware: Hardware) -> Batches:
    from dlw.engine.batches import Streamed

    return Streamed(lambda rows: window_arrays(fitted, windows, rows), len(windows.starts), hardware.device, 1)


def _from_memory(reader: Reader, hardware: Hardware, workers: int) -> Batches:
    """Return batches of a table in memory whose encoded rows do not fit beside it."""
    from dlw.engine.batches import Streamed

    count, ragged, at_once = len(reader.table), reader.fitted.ragged, rows_together(reader.fitted)
    steps = _lengths(reader.encode, count, ragged) if ragged else None
    return Streamed(reader.encode, count, hardware.device, workers, steps, ragged=ragged, at_once=at_once)


def from_disk(reader: Reader, hardware: Hardware, workers: int) -> Streamed:
    """Return batches of a table on disk."""
    from dlw.engine.batches import Shards, Streamed

    assert isinstance(reader.table, ShardedTable)
    return Streamed(
        reader.encode,
        len(reader.table),
        hardware.device,
        workers,
        shards=Shards(reader.table.bounds, reader.table.window()),
        ragged=reader.fitted.ragged,
        at_once=rows_together(reader.fitted),
    )


def rows_together(fitted: Fitted) -> int:
    """Return how many streamed rows are encoded in one go."""
    return max(1, min(ROWS_AT_ONCE, BYTES_TOGETHER // fitted.row_bytes))


class Reader:
    """Encodes rows of a table as they are needed, and leaves out those that cannot be used as long as they are few."""

    def __init__(self, fitted: Fitted, table: pa.Table | ShardedTable, max_bad: float, listener: Listener) -> None:
        self.fitted, self.table, self._listener = fitted, table, listener
        self._most_bad = int(max_bad * len(table))
        self.bad: set[int] = set()
        self._lock = threading.Lock()

    def encode(self, rows: np.ndarray) -> Arrays:
        """Return the arrays of the rows that can be used, and their places; DataError where too many cannot."""
        chunk = loaded(self.table.take(rows))
        encoded = self.fitted.encode(chunk, with_target=True, listener=Silent(), max_bad=None)
        for place, _, why in encoded.bad:
            self._note(int(rows[place]), why)
        return {INDEX: encoded.rows, **encoded.arrays}

    def _note(self, row: int, why: str) -> None:
        with self._lock:
            if row in self.bad:
                return
            self.bad.add(row)
            if len(self.bad) > self._most_bad:
                raise DataError(
                    f"row {row}: {why}; {len(self.bad)} of {len(self.table)} rows cannot be used, more than "
                    "`data.max_bad` allows"
                )
            if len(self.bad) <= WARNED:
                self._listener.warn(f"row {row} is left out: {why}")


def pack(
    fitted: Fitted,
    packing: Packing,
    table: pa.Table,
    is_training: bool,
    listener: Listener,
    max_bad: float = 0.01,
    file: Path | None = None,
    encode: Encode | None = None,
) -> Windows:
    """Join the texts of a table and cut them into windows: for training, or to judge every token once."""
    assert fitted.own_target is not None, "packed texts are their own target"
    spec, group = fitted.target, fitted.own_target
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    end, roles = int(spec.statistics["end"][0]), spec.statistics.get("roles", {})
    pieces = _pieces(encode or fitted.encode, group, table, listener, max_bad, file is not None)
    stream = join(pieces, end, is_separate=packing.is_separate, file=file)
    if len(stream.token_S) < 3:
        raise DataError(f"column {group}: {len(table)} rows hold less than one token to predict")
    windows = (training_windows if is_training else judging_windows)(stream, packing, end, roles)
    if not len(windows.starts):
        raise DataError(
            f"column {group}: none of {len(table)} conversations of the training split has a message with the role "
            "assistant, and only those are learned; name the role so in the data"
        )
    return windows


def window_arrays(fitted: Fitted, windows: Windows, rows: np.ndarray) -> Arrays:
    """Return some windows as a network reads them, with their target."""
    assert fitted.own_target is not None
    token, target = windows.take(rows)
    return {fitted.own_target: token, TARGET: target}


def _pieces(
    encode: Encode, group: str, table: pa.Table, listener: Listener, max_bad: float, is_piecewise: bool
) -> Iterator[np.ndarray]:
    step = ROWS_AT_ONCE if is_piecewise else max(1, len(table))
    for start in range(0, len(table), step):
        encoded = encode(table.slice(start, step), with_target=False, listener=listener, max_bad=max_bad)
        yield encoded.arrays[group]


def _lengths(encode: Callable[[np.ndarray], Arrays], num_rows: int, ragged: Mapping[str, str]) -> np.ndarray:
    """Return the steps of each row over all ragged groups, int64 [rows], by one pass over the split; none of a row
    that cannot be used."""
    found = np.zeros(num_rows, np.int64)
    for rows in np.array_split(np.arange(num_rows), -(-num_rows // ROWS_AT_ONCE)):
        arrays = encode(rows)
        found[rows[arrays[INDEX]]] = np.sum([lengths(arrays[name], kind) for name, kind in ragged.items()], axis=0)
    return found
