"""Batches of a split: resident (whole columns as tensors on the device) or streamed (encoded as they are needed).

Both give the same batches in the same order, a function of (seed, epoch): a run can stop at any step and go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from dlw.ragged import LEAST_STEPS, bucketed, lengths, trimmed
from dlw.specs import INDEX, Arrays

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Shards:
    """Rows that are read together from disk: `bounds` int64 [S + 1] are the places where those of the next shard begin,
    and the number of rows. Rows of `window` shards are mixed: so many are in memory at once."""

    bounds: np.ndarray
    window: int


class Batches(Protocol):
    """Rows of one split by number."""

    num_rows: int
    lengths: np.ndarray | None
    """int64 [rows]: steps of each row over all ragged groups; None where no group is ragged, or nobody counted."""
    shards: Shards | None
    """How the rows lie on disk; None where every row is as near as any other."""

    def stream(self, plan: Iterator[np.ndarray]) -> Iterator[Batch]:
        """Yield the batch of each row-number array of the plan, with the numbers under "index"."""
        ...


class Resident:
    """Whole columns on the device; a batch is one gather per group, ragged groups cut to the batch's longest row.

    `ragged` maps the ragged groups to their kinds.
    """

    shards: Shards | None = None

    def __init__(self, arrays: Arrays, device: torch.device, ragged: Mapping[str, str] | None = None) -> None:
        self._columns = {
            name: torch.from_numpy(np.ascontiguousarray(array)).to(device) for name, array in arrays.items()
        }
        self._device = device
        self.num_rows = len(next(iter(arrays.values())))
        self._steps = {name: lengths(arrays[name], kind) for name, kind in (ragged or {}).items() if name in arrays}
        self.lengths: np.ndarray | None = np.sum(list(self._steps.values()), axis=0) if self._steps else None

    def stream(self, plan: Iterator[np.ndarray]) -> Iterator[Batch]:
        """Yield the batches of the plan."""
        for rows in plan:
            index = torch.from_numpy(rows).to(self._device, non_blocking=True)
            batch = {name: self._cut(name, rows).index_select(0, index) for name in self._columns}
            batch[INDEX] = index
            yield batch

    def _cut(self, name: str, rows: np.ndarray) -> Tensor:
        if name not in self._steps:
            return self._columns[name]
        return self._columns[name][:, : max(LEAST_STEPS, self._steps[name][rows].max(initial=0))]


class Streamed:
    """Rows encoded on the fly by loader threads, a few batches ahead; for data larger than memory.

    `encode` gives the arrays of some rows, `at_once` of them or a batch, whichever is more. If it leaves rows out, it
    gives the places of the others under INDEX. `ragged` maps the ragged groups to their kinds; a batch's are cut to its
    longest row.
    """

    def __init__(
        self,
        encode: Callable[[np.ndarray], Arrays],
        num_rows: int,
        device: torch.device,
        workers: int,
        lengths: np.ndarray | None = None,
        *,
        shards: Shards | None = None,
        ragged: Mapping[str, str] | None = None,
        at_once: int = 1,
        ahead: int = 4,
    ) -> None:
        self._encode = encode
        self._device = device
        self._workers = max(1, workers)
        self._ragged = ragged or {}
        self._at_once = at_once
        self._ahead = ahead
        self.num_rows = num_rows
        self.lengths = lengths
        self.shards = shards

    def stream(self, plan: Iterator[np.ndarray]) -> Iterator[Batch]:
        """Yield the batches of the plan; an error in a loader thread is raised here."""
        with ThreadPoolExecutor(self._workers, thread_name_prefix="dlw-loader") as pool:
            pending: deque[tuple[int, Future[list[Arrays]]]] = deque()
            waiting = 0
            try:
                for batches in self._together(plan):
                    pending.append((len(batches), pool.submit(self._encoded, batches)))
                    waiting += len(batches)
                    while waiting > self._ahead and len(pending) > self._workers:
                        count, future = pending.popleft()
                        waiting -= count
                        yield from self._finished(future)
                while pending:
                    yield from self._finished(pending.popleft()[1])
            finally:
                for _, future in pending:
                    future.cancel()

    def _together(self, plan: Iterator[np.ndarray]) -> Iterator[list[np.ndarray]]:
        """Yield the batches that are encoded together: the first one alone, so that it comes soon."""
        first = next(plan, None)
        if first is None:
            return
        yield [first]
        while batches := list(islice(plan, max(1, self._at_once // len(first)))):
            yield batches

    def _encoded(self, batches: list[np.ndarray]) -> list[Arrays]:
        rows = np.concatenate(batches)
        arrays = dict(self._encode(rows))
        places = arrays.pop(INDEX, np.arange(len(rows)))
        cuts = np.searchsorted(places, np.cumsum([0, *map(len, batches)])).tolist()
        parts = []
        for start, stop in pairwise(cuts):
            part = {name: array[start:stop] for name, array in arrays.items()}
            parts.append({**trimmed(part, self._ragged), INDEX: rows[places[start:stop]]})
        return parts

    def _finished(self, future: Future[list[Arrays]]) -> Iterator[Batch]:
        for arrays in future.result():
            yield {name: torch.from_numpy(array).to(self._device) for name, array in arrays.items()}


def order(seed: int, epoch: int, num_rows: int) -> np.ndarray:
    """Return the row order of an epoch, int64 [num_rows]: a function of (seed, epoch) alone."""
    return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(num_rows)


def mixed_order(seed: int, epoch: int, shards: Shards) -> Iterator[np.ndarray]:
    """Yield the row order of an epoch, int64, in parts: a function of (seed, epoch) and of how the rows lie.

    Shards come in random order, and a part holds rows of `window` of them that follow each other, in random order: all
    that are left of the first one, half of what is left of the second one, and so on. So each part ends one shard and
    begins another, a batch meets rows of the whole window, and each shard is read once.
    """
    count = len(shards.bounds) - 1
    turn = np.random.Generator(np.random.Philox(key=[seed, epoch], counter=[0, 0, 0, 2])).permutation(count)
    left: dict[int, np.ndarray] = {}
    for place in range(count):
        for shard in turn[place : place + shards.window].tolist():
            if shard not in left:
                rng = np.random.Generator(np.random.Philox(key=[seed, epoch], counter=[0, 0, shard, 3]))
                left[shard] = shards.bounds[shard] + rng.permutation(shards.bounds[shard + 1] - shards.bounds[shard])
        part = []
        for age, shard in enumerate(turn[place : place + shards.window].tolist(), start=1):
            cut = -(-len(left[shard]) // age)
            part.append(left[shard][:cut])
            left[shard] = left[shard][cut:]
        del left[int(turn[place])]
        rng = np.random.Generator(np.random.Philox(key=[seed, epoch], counter=[0, 0, place, 4]))
        yield rng.permutation(np.concatenate(part))


def training_plan(
    seed: int,
    num_rows: int,
    batch_size: int,
    per_epoch: int,
    start: int,
    lengths: np.ndarray | None = None,
    shards: Shards | None = None,
) -> Iterator[np.ndarray]:
    """Yield row numbers batch by batch, for ever, from batch number `start` of the run; each epoch is reshuffled.

    Rows whose `lengths` differ come together with rows of about their length; rows that lie in `shards` come in the
    order of mixed_order.
    """
    batch = start
    while True:
        epoch = batch // per_epoch
        if shards is not None:
            yield from islice(_cut(mixed_order(seed, epoch, shards), batch_size), batch % per_epoch, per_epoch)
            batch = (epoch + 1) * per_epoch
            continue
        rows = order(seed, epoch, num_rows)
        if lengths is not None:
            rng = np.random.Generator(np.random.Philox(key=[seed, epoch], counter=[0, 0, 0, 1]))
            rows = bucketed(rows[: per_epoch * batch_size], lengths, batch_size, rng)
        for position in range(batch % per_epoch, per_epoch):
            yield rows[position * batch_size : (position + 1) * batch_size]
        batch = (epoch + 1) * per_epoch


def _cut(parts: Iterator[np.ndarray], batch_size: int) -> Iterator[np.ndarray]:
    """Yield whole batches of rows that come in parts of any length."""
    rest = np.zeros(0, np.int64)
    for part in parts:
        rest = np.concatenate([rest, part])
        whole = len(rest) // batch_size * batch_size
        yield from rest[:whole].reshape(-1, batch_size)
        rest = rest[whole:]


def sequential_plan(num_rows: int, batch_size: int) -> Iterator[np.ndarray]:
    """Yield all rows once, in order."""
    for start in range(0, num_rows, batch_size):
        yield np.arange(start, min(start + batch_size, num_rows), dtype=np.int64)
