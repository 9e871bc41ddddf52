"""`--devices N`: start N processes of a command on this machine, look after them, and start them again if asked to.

They find their place by the variables that torchrun sets. torchrun itself would start again after any failure, a wrong
recipe included, and kill a process that takes longer than half a minute to save after a signal.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from dlw.engine.signals import handled
from dlw.errors import DistributedError, UsageError
from dlw.progress import Listener
from dlw.ranks import GONE, LAUNCHER, find_place

DISTRIBUTED = 8
GRACE_SECONDS = 8.0
"""Once one process failed, the others have so long to end by themselves."""
_POLL_SECONDS = 0.05
_ADDRESS = "127.0.0.1"


def launch(words: Sequence[str], processes: int) -> int:
    """Run `dlw WORDS` in several processes and return the exit code that rank 0 has explained.

    Raises DistributedError, naming the process, where one died or fell silent; nothing is left running.
    """
    reader, writer = os.pipe()
    with _forwarded() as running:
        try:
            port = _free_port()
            for rank in range(processes):
                running.append(_start(words, rank, processes, port, writer))
            dead = _wait(running)
        finally:
            os.close(writer)
            for process in running:
                if process.poll() is None:
                    process.kill()
                    process.wait()
            told = _read(reader)
    codes = [process.returncode for process in running]
    if dead is not None and running.is_stopped_by is None:
        if told and not told.endswith(GONE):  # another process found it silent, and ended it
            raise DistributedError(told, rank=dead)
        name = signal.Signals(-codes[dead]).name
        raise DistributedError(
            f"rank {dead} of {processes} (process {running[dead].pid}) was ended by {name}", rank=dead
        )
    if codes[0] < 0:
        return 128 - codes[0]
    if codes[0] == DISTRIBUTED or (codes[0] == 0 and any(codes)):
        raise DistributedError(told or f"rank {next(r for r, code in enumerate(codes) if code)} failed")
    return codes[0]


def refuse_nested(processes: int) -> None:
    """Raise UsageError where something else has already started several processes."""
    place = find_place()
    if place is not None:
        raise UsageError(
            f"--devices {processes}: this is already one of {place.size} processes, started by torchrun, srun or "
            "Kubernetes; leave --devices out"
        )


def restarted(attempt: Callable[[bool], int], restarts: int, listener: Listener) -> int:
    """Call `attempt`, told whether it is another one, until no process dies in it or it was begun again too often."""
    for left in range(restarts, -1, -1):
        try:
            return attempt(left < restarts)
        except DistributedError as error:
            if not left:
                raise
            listener.warn(f"{error}; starting again from the last checkpoint ({left} of {restarts} restarts left)")
    raise AssertionError("the last attempt returns or raises")


class _Running(list[subprocess.Popen[bytes]]):
    """The processes that were started, and the signal that was passed on to them."""

    is_stopped_by: int | None = None


@contextmanager
def _forwarded() -> Iterator[_Running]:
    """Pass stop signals on to the processes: the first lets them save, the second ends them."""
    running = _Running()

    def forward(number: int, frame: FrameType | None) -> None:
        running.is_stopped_by = number
        for process in running:
            with suppress(ProcessLookupError):
                process.send_signal(number)

    with handled(forward):
        yield running


def _start(words: Sequence[str], rank: int, processes: int, port: int, writer: int) -> subprocess.Popen[bytes]:
    """Start one process, in a session of its own: Ctrl-C reaches it through this one, once."""
    place = {
        "RANK": rank,
        "WORLD_SIZE": processes,
        "LOCAL_RANK": rank,
        "LOCAL_WORLD_SIZE": processes,
        "MASTER_ADDR": _ADDRESS,
        "MASTER_PORT": port,
        LAUNCHER: f"{os.getpid()}:{writer}",
    }
    environment = {**os.environ, **{name: str(value) for name, value in place.items()}}
    environment.setdefault("GLOO_SOCKET_IFNAME", "lo")
    return subprocess.Popen(
        [sys.executable, "-m", "dlw", *words], env=environment, pass_fds=(writer,), start_new_session=True
    )


def _wait(running: _Running) -> int | None:
    """Wait until all have ended, after a failure not for long; return the rank that died first of a signal, if one did.

    The failure may be that of a process that another one has just ended, as it was silent.
    """
    deadline: float | None = None
    dead: int | None = None
    while True:
        codes = [process.poll() for process in running]
        if deadline is None and any(codes):
            deadline = time.monotonic() + GRACE_SECONDS
            dead = next((rank for rank, code in enumerate(codes) if code is not None and code < 0), None)
        if None not in codes or (deadline is not None and time.monotonic() > deadline):
            return dead
        time.sleep(_POLL_SECONDS)


def _free_port() -> int:
    with socket.socket() as held:
        held.bind((_ADDRESS, 0))
        port: int = held.getsockname()[1]
        return port


def _read(reader: int) -> str:
    """Return the first line that a process left behind."""
    with os.fdopen(reader, "rb") as stream:
        return stream.read(65_536).decode(errors="replace").partition("\n")[0]
