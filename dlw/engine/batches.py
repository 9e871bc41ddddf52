"""Batches of a split: resident (whole columns as tensors on the device) or streamed (encoded as they are needed).

Both give the same batches in the same order, a function of (seed, epoch): a run can stop at any step and go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from dlw.ragged import LEAST_STEPS, bucketed, lengths
from dlw.specs import INDEX, Arrays

Batch = dict[str, Tensor]


class Batches(Protocol):
    """Rows of one split by number."""

    num_rows: int
    lengths: np.ndarray | None
    """int64 [rows]: steps of each row over all ragged groups; None where no group is ragged."""

    def stream(self, plan: Iterator[np.ndarray]) -> Iterator[Batch]:
        """Yield the batch of each row-number array of the plan, with the numbers under "index"."""
        ...


class Resident:
    """Whole columns on the device; a batch is one gather per group, ragged groups cut to the batch's longest row.

    `ragged` maps the ragged groups to their kinds.
    """

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

    `encode` gives ragged groups cut to the longest of its rows.
    """

    def __init__(
        self,
        encode: Callable[[np.ndarray], Arrays],
        num_rows: int,
        device: torch.device,
        workers: int,
        lengths: np.ndarray | None = None,
        ahead: int = 4,
    ) -> None:
        self._encode = encode
        self._device = device
        self._workers = max(1, workers)
        self._ahead = ahead
        self.num_rows = num_rows
        self.lengths = lengths

    def stream(self, plan: Iterator[np.ndarray]) -> Iterator[Batch]:
        """Yield the batches of the plan; an error in a loader thread is raised here."""
        with ThreadPoolExecutor(self._workers, thread_name_prefix="dlw-loader") as pool:
            pending: deque[tuple[np.ndarray, Future[Arrays]]] = deque()
            try:
                for rows in plan:
                    pending.append((rows, pool.submit(self._encode, rows)))
                    if len(pending) > self._ahead:
                        yield self._finish(*pending.popleft())
                while pending:
                    yield self._finish(*pending.popleft())
            finally:
                for _, future in pending:
                    future.cancel()

    def _finish(self, rows: np.ndarray, future: Future[Arrays]) -> Batch:
        batch = {name: torch.from_numpy(array).to(self._device) for name, array in future.result().items()}
        batch[INDEX] = torch.from_numpy(rows).to(self._device)
        return batch


def order(seed: int, epoch: int, num_rows: int) -> np.ndarray:
    """Return the row order of an epoch, int64 [num_rows]: a function of (seed, epoch) alone."""
    return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(num_rows)


def training_plan(
    seed: int, num_rows: int, batch_size: int, per_epoch: int, start: int, lengths: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yield row numbers batch by batch, for ever, from batch number `start` of the run; each epoch is reshuffled.

    Rows whose `lengths` differ come together with rows of about their length.
    """
    batch = start
    while True:
        epoch = batch // per_epoch
        rows = order(seed, epoch, num_rows)
        if lengths is not None:
            rng = np.random.Generator(np.random.Philox(key=[seed, epoch], counter=[0, 0, 0, 1]))
            rows = bucketed(rows[: per_epoch * batch_size], lengths, batch_size, rng)
        for position in range(batch % per_epoch, per_epoch):
            yield rows[position * batch_size : (position + 1) * batch_size]
        batch = (epoch + 1) * per_epoch


def sequential_plan(num_rows: int, batch_size: int) -> Iterator[np.ndarray]:
    """Yield all rows once, in order."""
    for start in range(0, num_rows, batch_size):
        yield np.arange(start, min(start + batch_size, num_rows), dtype=np.int64)
