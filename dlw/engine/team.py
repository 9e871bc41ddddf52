"""Several processes that work as one: they meet at rank 0, agree on numbers and put their answers together.

What they exchange beside tensors is JSON or the bytes of arrays, never pickled.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from dlw.engine.watch import Failure, Watch
from dlw.errors import DistributedError, DlwError, Interrupted
from dlw.ranks import Place

JOIN_SECONDS = 300
LONGEST_WAIT = timedelta(hours=4)
"""How long one process may keep the others waiting, for rank 0 to score or save, say: the watch ends it before, where
one of them is lost."""
RESOURCE = 6


class Team:
    """This process among the others. Every method but `rank` and `size` must be called by all, in the same order."""

    def __init__(self, place: Place) -> None:
        self.rank, self.size, self.place = place.rank, place.size, place

    @property
    def is_first(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def begin_on(self, device: torch.device) -> None:
        """Prepare to exchange tensors of a device."""
        if device.type == "cuda":
            torch.cuda.set_device(device)
            self._tensors = dist.new_group(backend="nccl", timeout=LONGEST_WAIT)

    def total(self, tensor: Tensor) -> Tensor:
        """Return the sum over all processes; no gradients."""
        summed = tensor.detach().clone()
        dist.all_reduce(summed, group=self.group(summed.device))
        return summed

    def mean(self, tensor: Tensor) -> Tensor:
        """Return the mean over all processes; no gradients."""
        return self.total(tensor) / self.size

    def group(self, device: torch.device) -> Any:
        """Return the process group for tensors of a device."""
        return self._tensors if device.type == "cuda" else dist.group.WORLD

    def highest(self, number: int) -> int:
        """Return the highest of all processes' numbers."""
        told = torch.tensor(number)
        dist.all_reduce(told, dist.ReduceOp.MAX)
        return int(told)

    def tell(self, value: Any) -> Any:
        """Return rank 0's value, anything that JSON holds, in every process."""
        payload = json.dumps(value).encode() if self.is_first else b""
        size = torch.tensor(len(payload))
        dist.broadcast(size, 0)
        told = torch.frombuffer(bytearray(payload or bytes(int(size))), dtype=torch.uint8)
        dist.broadcast(told, 0)
        return json.loads(told.numpy().tobytes())

    def gather(self, payload: bytes) -> list[bytes]:
        """Return what every process gave, by rank, in every process."""
        sizes = [torch.zeros((), dtype=torch.int64) for _ in range(self.size)]
        dist.all_gather(sizes, torch.tensor(len(payload)))
        longest = max(1, max(int(size) for size in sizes))
        mine = torch.frombuffer(bytearray(payload.ljust(longest, b"\0")), dtype=torch.uint8)
        found = [torch.empty(longest, dtype=torch.uint8) for _ in range(self.size)]
        dist.all_gather(found, mine)
        return [part[: int(size)].numpy().tobytes() for part, size in zip(found, sizes, strict=True)]


@contextmanager
def join(place: Place, warn: Callable[[str], None]) -> Iterator[Team]:
    """Meet the other processes for the length of the block, and end together with them.

    A process that fails in the block tells the others why; where another one failed or is gone, DistributedError names
    it. `warn` is told what ends this process where it waits for a process that is lost.
    """
    watch = _meet(place, warn)
    try:
        yield Team(place)
        dist.barrier()
    except DistributedError:
        raise
    except Interrupted:  # in all processes at the same step: rank 0 may still be saving
        with suppress(RuntimeError):
            dist.barrier()
        raise
    except DlwError as error:
        watch.leave(error.exit_code, str(error))
        raise
    except BaseException as error:
        if _is_broken(error):
            raise watch.blame().as_error() from error
        code = RESOURCE if isinstance(error, OSError | MemoryError) else 1
        watch.leave(code, f"{type(error).__name__}: {error}")
        raise
    finally:
        watch.close()
    dist.destroy_process_group()


def _meet(place: Place, warn: Callable[[str], None]) -> Watch:
    """Return the watch over a team whose processes have all come."""
    where = f"{place.address}:{place.port}"
    is_held_here = place.rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    limit = timedelta(seconds=JOIN_SECONDS)
    try:
        held = dist.TCPStore(place.address, place.port, None, is_held_here, limit, wait_for_workers=False)
        own = dist.TCPStore(place.address, place.port, None, False, limit, wait_for_workers=False)
    except RuntimeError as error:
        raise DistributedError(f"rank {place.rank} cannot meet the others at {where}: {_first_line(error)}") from error

    def end(failure: Failure) -> None:
        warn(failure.message)
        os._exit(failure.exit_code)

    watch = Watch(place, dist.PrefixStore(f"dlw/{place.restarts}/watch", own), end)
    store = dist.PrefixStore(f"dlw/{place.restarts}/team", held)
    store.set(f"here/{place.rank}", "")
    everyone = [f"here/{rank}" for rank in range(place.size)]
    try:
        store.wait(everyone, limit)
    except RuntimeError as error:
        missing = [str(rank) for rank, name in enumerate(everyone) if not store.check([name])]
        raise DistributedError(
            f"rank {', '.join(missing)} of {place.size} did not come to {where} within {JOIN_SECONDS} s"
        ) from error
    watch.start()
    try:
        dist.init_process_group("gloo", store=store, rank=place.rank, world_size=place.size, timeout=LONGEST_WAIT)
    except RuntimeError as error:
        raise watch.blame().as_error() from error
    return watch


def _is_broken(error: BaseException) -> bool:
    """Say whether an error means that the connection to another process is lost."""
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
