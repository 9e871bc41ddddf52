"""Who is still there: every process of a team beats once a second; rank 0 looks at all of them, the others at rank 0.

A process that dies breaks its connections: the others fail at once, but do not know because of whom. One that is
stopped breaks nothing. And one that fails with a reason leaves it in the team's store, where the others find it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from torch.distributed import Store

from dlw.errors import DistributedError
from dlw.ranks import GONE, Place

BEAT_SECONDS = 1.0
SILENT_BEATS = 30
"""A process without a beat for so long is taken for lost, and ended if it is on this machine."""
GONE_BEATS = 3
"""The same once a connection broke, which says that one of them is dead."""
GRACE_BEATS = 6
"""The failure of another process ends this one after so long, whatever it waits for."""


@dataclass(frozen=True)
class Failure:
    """What ends a team: the rank that failed, the exit code of all, and why."""

    rank: int
    exit_code: int
    message: str
    host: str = ""
    process: tuple[int, int] = (0, 0)
    """Process id and start of one that fell silent, as `_process` gives it."""

    def as_error(self) -> DistributedError:
        """Return the error to raise in the other processes."""
        return DistributedError(self.message, self.exit_code, self.rank)


class Watch:
    """Beats for this process and watches others, in two threads: one talks to the store, which may itself stop
    answering, the other counts for how long.

    `end` is called with the failure where the main thread does not come out of its wait.
    """

    def __init__(self, place: Place, store: Store, end: Callable[[Failure], None]) -> None:
        self.failure: Failure | None = None
        self._place, self._store, self._end = place, store, end
        self._watched = [0] if place.rank else list(range(1, place.size))
        self._parent = os.getppid()
        self._beat = self._answered = 0
        self._seen = dict.fromkeys(self._watched, b"")
        self._heard = dict.fromkeys(self._watched, 0)
        """Own beat at which each watched process was last heard of."""
        self._is_broken = False
        self._failed_at: int | None = None
        self._closed = threading.Event()
        store.set(f"who/{place.rank}", json.dumps([socket.gethostname(), *_process(os.getpid())]))
        store.set(f"beat/{place.rank}", "0")

    def start(self) -> None:
        """Begin; every process of the team must have been made its Watch."""
        told = self._store.multi_get([f"who/{rank}" for rank in self._watched])
        self._who = dict(zip(self._watched, map(json.loads, told), strict=True))
        for work in (self._talk, self._look):
            threading.Thread(target=work, name="dlw-watch", daemon=True).start()

    def close(self) -> None:
        """Stop watching: from here on the others may end whenever they like."""
        self._closed.set()

    def leave(self, exit_code: int, message: str) -> None:
        """Tell the others why this process fails; the first one to tell is believed."""
        self._post(Failure(self._place.rank, exit_code, f"rank {self._place.rank}: {message}"))
        if self._place.rank == 0:
            time.sleep(1.5 * BEAT_SECONDS)  # the store ends with this process: let them hear

    def blame(self) -> Failure:
        """Return why a connection broke: what another process told, else which one is gone."""
        deadline = time.monotonic() + (GONE_BEATS + 3) * BEAT_SECONDS
        while self.failure is None and not self._is_broken and time.monotonic() < deadline:
            gone = [rank for rank in self._watched if self._beat - self._heard[rank] > GONE_BEATS]
            if gone:
                self._post(self._lost(gone[0], GONE))
            time.sleep(0.05)
        if self.failure is None and self._is_broken:
            return self._lost(0, GONE)
        return self.failure or Failure(-1, 8, "the connection between the processes broke; all of them are alive")

    def _post(self, failure: Failure) -> None:
        with suppress(RuntimeError):
            told = self._store.compare_set("failure", "", json.dumps(asdict(failure)))
            self.failure = self.failure or _read(told)

    def _lost(self, rank: int, how: str) -> Failure:
        host, *process = self._who[rank]
        message = f"rank {rank} of {self._place.size} (process {process[0]} on {host}) {how}"
        return Failure(rank, 8, message, host, (process[0], process[1]))

    def _talk(self) -> None:
        names = [f"beat/{rank}" for rank in self._watched]
        try:
            while not self._closed.wait(BEAT_SECONDS):
                self._store.set(f"beat/{self._place.rank}", str(self._beat))
                for rank, seen in zip(self._watched, self._store.multi_get(names), strict=True):
                    if seen != self._seen[rank]:
                        self._seen[rank], self._heard[rank] = seen, self._beat
                if self.failure is None and self._store.check(["failure"]):
                    self.failure = _read(self._store.get("failure"))
                self._answered = self._beat
        except RuntimeError:  # the store is gone, and with it the process that holds it
            self._is_broken = True

    def _look(self) -> None:
        while not self._closed.wait(BEAT_SECONDS):
            self._beat += 1
            if os.getppid() != self._parent:  # whoever started this process is dead: save and stop
                self._parent = os.getppid()
                os.kill(os.getpid(), signal.SIGTERM)
            self.failure = self.failure or self._silent()
            if self.failure is None or self.failure.rank == self._place.rank:
                continue
            _end_stopped(self.failure)
            self._failed_at = self._beat if self._failed_at is None else self._failed_at
            if self._beat - self._failed_at >= GRACE_BEATS:
                self._end(self.failure)

    def _silent(self) -> Failure | None:
        how = f"has not answered for {SILENT_BEATS * BEAT_SECONDS:.0f} s"
        if self._beat - self._answered >= SILENT_BEATS and self._place.rank:
            return self._lost(0, how)
        late = [rank for rank in self._watched if self._beat - self._heard[rank] >= SILENT_BEATS]
        if late:
            self._post(self._lost(late[0], how))
        return self.failure


def _read(told: bytes) -> Failure:
    found = json.loads(told)
    return Failure(**{**found, "process": tuple(found["process"])})


def _end_stopped(failure: Failure) -> None:
    """Kill a silent process of this machine, so that its connections break and nothing is left behind."""
    if failure.host == socket.gethostname() and _process(failure.process[0]) == failure.process:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(failure.process[0], signal.SIGKILL)


def _process(number: int) -> tuple[int, int]:
    """Return a process id and when it started, in clock ticks (proc(5), field 22): ids are used again."""
    with suppress(OSError, IndexError):
        text = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
        return number, int(text.rpartition(")")[2].split()[19])
    return number, 0
