"""Batches of a split: resident (whole columns as tensors on the device) or streamed (encoded as they are needed).

Both give the same batches in the same order, a function of (seed, epoch): a run can stop at any step and go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from dlw.specs import INDEX, Arrays

Batch = dict[str, Tensor]


class Batches(Protocol):
    """Rows of one split by number."""

    num_rows: int

    def stream(self, plan: Iterator[np.ndarray]) -> Iterator[Batch]:
        """Yield the batch of each row-number array of the plan, with the numbers under "index"."""
        ...


class Resident:
    """Whole columns on the device; a batch is one gather per group."""

    def __init__(self, arrays: Arrays, device: torch.device) -> None:
        self._columns = {
            name: torch.from_numpy(np.ascontiguousarray(array)).to(device) for name, array in arrays.items()
        }
        self._device = device
        self.num_rows = len(next(iter(arrays.values())))

    def stream(self, plan: Iterator[np.ndarray]) -> Iterator[Batch]:
        """Yield the batches of the plan."""
        for rows in plan:
            index = torch.from_numpy(rows).to(self._device, non_blocking=True)
            batch = {name: column.index_select(0, index) for name, column in self._columns.items()}
            batch[INDEX] = index
            yield batch


class Streamed:
    """Rows encoded on the fly by loader threads, a few batches ahead; for data larger than memory."""

    def __init__(
        self, encode: Callable[[np.ndarray], Arrays], num_rows: int, device: torch.device, workers: int, ahead: int = 4
    ) -> None:
        self._encode = encode
        self._device = device
        self._workers = max(1, workers)
        self._ahead = ahead
        self.num_rows = num_rows

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


def training_plan(seed: int, num_rows: int, batch_size: int, per_epoch: int, start: int) -> Iterator[np.ndarray]:
    """Yield row numbers batch by batch, for ever, from batch number `start` of the run; each epoch is reshuffled."""
    batch = start
    while True:
        epoch = batch // per_epoch
        rows = order(seed, epoch, num_rows)
        for position in range(batch % per_epoch, per_epoch):
            yield rows[position * batch_size : (position + 1) * batch_size]
        batch = (epoch + 1) * per_epoch


def sequential_plan(num_rows: int, batch_size: int) -> Iterator[np.ndarray]:
    """Yield all rows once, in order."""
    for start in range(0, num_rows, batch_size):
        yield np.arange(start, min(start + batch_size, num_rows), dtype=np.int64)
