"""One training per run directory, across processes; a dead holder holds nothing."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable

import pytest

from dlw.errors import RunInUseError
from dlw.runs import disk
from dlw.runs.layout import Run
from dlw.runs.lock import hold
from tests.forks import fork


def child(work: Callable[[], None]) -> int:
    """Run a function in a forked process and return its pid; it exits with 7 for RunInUseError."""
    pid = fork()
    if pid:
        return pid
    status = 1
    try:
        work()
        status = 0
    except RunInUseError:
        status = 7
    finally:
        os._exit(status)


def exit_status(pid: int) -> int:
    """Wait for a process."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def holder(run: Run) -> int:
    """Start a process that holds a run until it is killed; return when it does."""
    ready, write = os.pipe()

    def work() -> None:
        with hold(run):
            os.write(write, b"1")
            time.sleep(60)

    pid = child(work)
    os.read(ready, 1)
    return pid


@pytest.mark.withstands("faults", case="F21")
def test_second_training_is_told_who_holds_it_within_a_second(run: Run) -> None:
    pid = holder(run)
    start = time.monotonic()
    with pytest.raises(RunInUseError, match=f"in use by process {pid}: wait") as caught, hold(run):
        pass
    assert time.monotonic() - start < 1.0
    assert caught.value.exit_code == 7
    assert disk.is_locked(run.lock)
    os.kill(pid, signal.SIGKILL)
    exit_status(pid)


@pytest.mark.withstands("faults", case="F21")
def test_lock_of_a_dead_process_is_taken_over(run: Run) -> None:
    pid = holder(run)
    os.kill(pid, signal.SIGKILL)
    exit_status(pid)
    assert not disk.is_locked(run.lock)
    with hold(run):
        assert run.lock.read_text() == f"{os.getpid()}\n"
    assert not disk.is_locked(run.lock)


@pytest.mark.withstands("faults", case="F21")
@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_of_eight_at_once_exactly_one_runs(run: Run, rounds: int) -> None:
    """Who holds the run does so until the seven others have ended."""
    for _ in range(rounds):
        wait, go = os.pipe()

        def work(wait: int = wait) -> None:
            with hold(run):
                select.select([wait], [], [], 60)

        pids = [child(work) for _ in range(8)]
        statuses: dict[int, int] = {}
        while len(statuses) < 7:
            pid, status = os.waitpid(-1, 0)
            statuses |= {pid: os.waitstatus_to_exitcode(status)} if pid in pids else {}
        os.write(go, b"1")
        (last,) = set(pids) - set(statuses)
        assert set(statuses.values()) == {7}
        assert exit_status(last) == 0
        os.close(wait)
        os.close(go)


def test_worker_that_outlives_the_training_holds_nothing(run: Run) -> None:
    ready, write = os.pipe()

    def work() -> None:
        with hold(run):
            os.write(write, b"%10d" % child(lambda: time.sleep(60)))
            time.sleep(60)

    pid = child(work)
    worker = int(os.read(ready, 10))
    os.kill(pid, signal.SIGKILL)
    exit_status(pid)
    os.kill(worker, 0)  # it is still there
    with hold(run):
        assert run.lock.read_text() == f"{os.getpid()}\n"
        os.kill(worker, signal.SIGKILL)


def test_looking_does_not_get_in_the_way(run: Run) -> None:
    def look() -> None:
        for _ in range(3000):
            disk.is_locked(run.lock)

    with hold(run):
        pass
    watchers = [child(look) for _ in range(2)]
    for _ in range(50):
        with hold(run):
            pass
    assert [exit_status(pid) for pid in watchers] == [0, 0]


def test_error_inside_lets_go(run: Run) -> None:
    with pytest.raises(ValueError, match="inside"), hold(run):
        raise ValueError("inside")
    assert not disk.is_locked(run.lock)
