"""One training per run directory: an OS lock that ends with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dlw.errors import ResourceError, RunInUseError
from dlw.runs import disk
from dlw.runs.layout import Run

_PATIENCE_SECONDS = 0.3
"""`disk.is_locked` takes the lock for an instant; a training that starts right then tries again for this long."""

_held: set[int] = set()


@contextmanager
def hold(run: Run) -> Iterator[None]:
    """Hold the run directory, until the block ends; raises RunInUseError with the holder's pid."""
    disk.make_folders(run.folder)
    descriptor = _open(run)
    try:
        _acquire(run, descriptor)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        _held.add(descriptor)
        yield
    finally:
        _held.discard(descriptor)
        os.close(descriptor)


def _open(run: Run) -> int:
    try:
        return os.open(run.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise ResourceError(f"{run.lock}: cannot lock the run: {error.strerror}") from error


def _acquire(run: Run, descriptor: int) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
                who = f"process {holder}" if holder else "another process"
                raise RunInUseError(
                    f"{run.folder} is in use by {who}: wait until it ends, or choose another folder with --out"
                ) from error
        except OSError as error:
            raise ResourceError(f"{run.lock}: cannot lock the run: {error.strerror}") from error
        time.sleep(0.02)


def _let_go() -> None:
    """Close the locks that a forked child inherits: a worker that outlives the training must not hold its run."""
    for descriptor in _held:
        with suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)
