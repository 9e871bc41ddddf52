"""Which device, how many threads, which precision: what `auto` means, decided once and said aloud."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from dlw.engine.allocator import keep_freed_memory
from dlw.errors import UsageError
from dlw.ranks import Place
from dlw.recipe.schema import Train
from dlw.runs import environment


@dataclass(frozen=True)
class Hardware:
    """Where and in which number format a network runs."""

    device: torch.device
    precision: str
    threads: int

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context for the forward pass."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def __str__(self) -> str:
        where = self.device.type
        if where == "cpu":
            where = f"cpu with {self.threads} thread{'s' if self.threads > 1 else ''}"
        elif where == "cuda":
            where = torch.cuda.get_device_name(self.device)
        return f"{where}, {self.precision}"


def prepare(train: Train, place: Place | None = None) -> Hardware:
    """Choose device and precision, set the thread count and tune the allocator of this process.

    A process alone heeds OMP_NUM_THREADS. Several on one machine share its cores; each takes a GPU of its own.
    """
    device = _device(train.device)
    if place is not None:
        device = _own_device(train.device, device, place)
    threads = train.threads or environment.threads(place.local_size if place else 1)
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    precision = train.precision
    if precision == "auto":
        precision = "bf16" if _has_fast_bf16(device) else "fp32"
    keep_freed_memory()
    return Hardware(device, precision, threads)


def _device(name: str) -> torch.device:
    present = ["cpu", *(["cuda"] if torch.cuda.is_available() else []), *(["mps"] if _has_mps() else [])]
    if name == "auto":
        return torch.device(present[-1])
    kind, _, number = name.partition(":")
    is_known = kind in present and (not number or (kind == "cuda" and number.isdigit()))
    if not is_known or (number and int(number) >= torch.cuda.device_count()):
        raise UsageError(f"train.device: {name} is not available here; available: auto, {', '.join(present)}")
    return torch.device(name)


def _own_device(name: str, device: torch.device, place: Place) -> torch.device:
    """Return the device of one process of several; a scheduler may show each only its own."""
    if device.type == "cpu":
        return device
    if device.type != "cuda" or ":" in name:
        raise UsageError(
            f"train.device: {name or device.type} is one device, for one process; several take cpu or cuda"
        )
    count = torch.cuda.device_count()
    if place.local_rank >= count > 1:
        raise UsageError(f"{place.local_size} processes on a machine with {count} GPUs: start one for each GPU")
    return torch.device("cuda", place.local_rank if count > 1 else 0)


def _has_mps() -> bool:
    return torch.backends.mps.is_available()


def _has_fast_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        flags, vendor = environment.processor("flags").split(), environment.processor("vendor_id")
        return environment.has_fast_bf16(set(flags), vendor)
    return False
