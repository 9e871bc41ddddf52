"""Saving under fire: killed at each disk call, refused by the disk at each call, and cut off from power at each call.

Whatever happens, a checkpoint that was saved before is there afterwards, and the next start leaves no litter.
"""

from __future__ import annotations

import errno
import itertools
import os
import random
import resource
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from dlw.errors import ResourceError
from dlw.progress import Silent
from dlw.runs import disk, store
from dlw.runs.journal import Journal
from dlw.runs.layout import Run
from dlw.runs.lock import hold
from dlw.runs.steps import saved_steps, step_folder
from tests.forks import fork
from tests.withstood import Tally

Tensors = Callable[[int], dict[str, dict[str, torch.Tensor]]]
BEST = (1, 5)


def work(run: Run, step: int, tensors: Tensors) -> None:
    """Do what a training does at the end of an epoch: a journal line, then a checkpoint that prunes an older one."""
    Journal(run.metrics).append({"step": step, "loss": 1 / step})
    store.save(run, step, tensors(step), {"seen": step}, keep=2, is_best=step in BEST)


def start(run: Run, tensors: Tensors, *, first: int = 1, last: int) -> None:
    """Start or continue a training of `last` steps the way the train verb does."""
    with hold(run):
        store.clean(run)
        if store.has_checkpoint(run):
            first = store.load(run, "last", Silent()).step + 1
        Journal(run.metrics).truncate_after(first - 1)
        for step in range(first, last + 1):
            work(run, step, tensors)


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, but the lock's."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def check_sound(run: Run, tensors: Tensors, oldest_last: int) -> int:
    """Assert that the newest and the best checkpoint are whole; return the newest step."""
    last = store.load(run, "last", Silent())
    best = store.load(run, "best", Silent())
    assert last.step >= oldest_last
    assert best.step in BEST
    assert saved_steps(run)[-2:] == list(range(max(1, last.step - 1), last.step + 1)), "the two newest are kept"
    for saved in (last, best):
        for group, members in tensors(saved.step).items():
            assert all(torch.equal(saved.tensors[group][name], tensor) for name, tensor in members.items())
    return last.step


def recorded(run: Run, step: int, tensors: Tensors, monkeypatch: pytest.MonkeyPatch) -> list[Callable[..., Any]]:
    """Return the disk calls that saving a step makes, in order."""
    log = []

    def door(operation: Callable[..., Any], *arguments: Any) -> Any:
        log.append(operation)
        return None if operation is os.fsync else operation(*arguments)

    with monkeypatch.context() as watched:
        watched.setattr(disk, "_call", door)
        work(run, step, tensors)
    return log


def kill_at(call: int, run: Run, step: int, tensors: Tensors, *, is_torn: bool) -> None:
    """Work on a step in a child process that dies at disk call `call`, in the middle of the write if torn."""
    child = fork()
    if child == 0:
        calls = 0

        def door(operation: Callable[..., Any], *arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == call:
                if is_torn and operation is os.write:
                    os.write(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return None if operation is os.fsync else operation(*arguments)

        status = 1
        try:
            disk._call = door
            work(run, step, tensors)
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.withstands("store killed at each call", case="F01")
@pytest.mark.parametrize(
    "step", [pytest.param(1, marks=pytest.mark.slow), 4, pytest.param(5, marks=pytest.mark.slow)], ids=str
)
def test_killed_at_each_call_of_a_save(
    run: Run, tensors: Tensors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, tally: Tally
) -> None:
    start(run, tensors, last=step - 1)
    before, copy = tmp_path / "before", Run(tmp_path / "copy")
    shutil.copytree(run.folder, before)
    calls = recorded(run, step, tensors, monkeypatch)
    start(run, tensors, last=6)
    expected = contents(run.folder)
    plan = [(call, False) for call in range(1, len(calls) + 1)]
    plan += [(call, True) for call, operation in enumerate(calls, start=1) if operation is os.write]
    seen, held = [], 0
    for call, is_torn in plan:
        shutil.copytree(before, copy.folder)
        kill_at(call, copy, step, tensors, is_torn=is_torn)
        if step > 1 or store.has_checkpoint(copy):
            seen.append(check_sound(copy, tensors, max(1, step - 1)))
        start(copy, tensors, last=6)
        held += contents(copy.folder) == expected
        shutil.rmtree(copy.folder)
    assert len(plan) > 60
    assert set(seen) == {step - 1, step} - {0}
    tally(held, len(plan))


def often(error: int) -> Any:
    """Try an error at each call; the rarer ones only when there is time."""
    marks = [pytest.mark.withstands("faults", case="F05" if error == errno.ENOSPC else "F07")]
    marks += [] if error in (errno.ENOSPC, errno.EIO) else [pytest.mark.slow]
    return pytest.param(error, id=errno.errorcode[error], marks=marks)


ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EINTR)


@pytest.mark.parametrize("error", [often(error) for error in ERRORS])
def test_each_call_of_a_save_may_fail(
    run: Run, tensors: Tensors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    start(run, tensors, last=3)
    call, calls, is_over = 0, 0, False
    messages = []

    def door(operation: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise OSError(error, os.strerror(error))
        return None if operation is os.fsync else operation(*arguments)

    while not is_over:
        call, calls = call + 1, 0
        copy = Run(tmp_path / f"copy-{call}")
        shutil.copytree(run.folder, copy.folder)
        with monkeypatch.context() as broken:
            broken.setattr(disk, "_call", door)
            try:
                work(copy, 4, tensors)
            except ResourceError as caught:
                messages.append(str(caught))
        is_over = calls < call
        check_sound(copy, tensors, 3)
        with hold(copy):
            store.clean(copy)
        assert not [name for name in disk.names(copy.checkpoints) if name.startswith(".")]
        shutil.rmtree(copy.folder)
    assert len(messages) > 40
    assert all(str(tmp_path) in message and os.strerror(error) in message for message in messages)


@pytest.mark.withstands("faults", case="F05")
@pytest.mark.parametrize("limit_bytes", [0, 1, 40, 300])
def test_a_limit_on_file_sizes_is_a_full_disk(run: Run, tensors: Tensors, limit_bytes: int) -> None:
    start(run, tensors, last=3)
    child = fork()
    if child == 0:
        status = 1
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
            store.save(run, 4, tensors(4), {}, keep=2, is_best=False)
        except ResourceError as error:
            status = error.exit_code
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 6
    assert check_sound(run, tensors, 3) == 3
    assert not [name for name in disk.names(run.checkpoints) if name.startswith(".")]


def damage(folder: Path, kind: str, chance: random.Random) -> None:
    """Cut one file of a checkpoint somewhere, or flip one of its bits."""
    path = chance.choice(sorted(folder.iterdir()))
    data = bytearray(path.read_bytes())
    place = chance.randrange(len(data))
    if kind == "cut":
        del data[place:]
    else:
        data[place] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("cut", marks=pytest.mark.withstands("faults", case="F09")),
        pytest.param("flip", marks=pytest.mark.withstands("faults", case="F10")),
    ],
)
@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_damage_between_runs_costs_one_step_and_no_bit(
    run: Run, tensors: Tensors, tmp_path: Path, ears: Any, kind: str, count: int
) -> None:
    start(run, tensors, last=3)
    before, copy = tmp_path / "before", Run(tmp_path / "copy")
    shutil.copytree(run.folder, before)
    start(run, tensors, last=5)
    expected = contents(run.folder)
    chance = random.Random(count)
    for number in range(count):
        shutil.copytree(before, copy.folder)
        damage(step_folder(copy, 3), kind, chance)
        assert store.load(copy, "last", ears).step == 2
        assert len(ears.warnings) == number + 1
        start(copy, tensors, last=5)
        assert contents(copy.folder) == expected
        shutil.rmtree(copy.folder)


@pytest.mark.withstands("faults", case="F07")
def test_short_writes_are_finished(run: Run, tensors: Tensors, monkeypatch: pytest.MonkeyPatch) -> None:
    def door(operation: Callable[..., Any], *arguments: Any) -> Any:
        if operation is os.write:
            return os.write(arguments[0], arguments[1][: 1 + len(arguments[1]) // 3])
        return operation(*arguments)

    monkeypatch.setattr(disk, "_call", door)
    start(run, tensors, last=3)
    assert check_sound(run, tensors, 3) == 3
    assert len(Journal(run.metrics).read()) == 3


@pytest.mark.withstands("faults", case="F12")
def test_file_cut_while_it_is_read_is_damage(run: Run, tensors: Tensors, monkeypatch: pytest.MonkeyPatch) -> None:
    start(run, tensors, last=2)
    victim = store.load(run, 2, Silent()).path / "optimizer.safetensors"

    def door(operation: Callable[..., Any], *arguments: Any) -> Any:
        result = operation(*arguments)
        if operation is os.open and arguments[0] == victim:
            os.truncate(victim, 10)
        return result

    monkeypatch.setattr(disk, "_call", door)
    assert store.load(run, "last", Silent()).step == 1


@pytest.mark.withstands("faults", case="F12")
def test_files_that_another_process_cuts_and_mends_are_whole_or_damage(run: Run, tensors: Tensors) -> None:
    start(run, tensors, last=2)
    victim = step_folder(run, 2) / "model.safetensors"
    whole = victim.read_bytes()
    child = fork()
    if child == 0:
        for number in itertools.count():
            os.truncate(victim, number * 7 % len(whole))
            victim.write_bytes(whole)
    try:
        seen = []
        while len(seen) < 300:
            saved = store.load(run, "last", Silent())
            assert torch.equal(saved.tensors["model"]["matrix"], tensors(saved.step)["model"]["matrix"])
            seen.append(saved.step)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert set(seen) <= {1, 2}
    assert 1 in seen


@dataclass
class Node:
    """A file or folder of the simulated disk: what programs see, and what has been flushed."""

    data: bytes = b""
    flushed: bytes = b""
    entries: dict[str, Node] | None = None
    flushed_entries: dict[str, Node] = field(default_factory=dict)


Remains = dict[str, bytes | None]


class SimulatedDisk:
    """Replays the log of calls on a disk that forgets what was not flushed when the power goes."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.top = self._load(root)
        self._open: dict[int, Node] = {}

    def _load(self, path: Path) -> Node:
        if path.is_file():
            return Node(path.read_bytes(), path.read_bytes())
        entries = {entry.name: self._load(entry) for entry in path.iterdir()}
        return Node(entries=entries, flushed_entries=dict(entries))

    def _find(self, path: Path) -> Node:
        node = self.top
        for part in path.relative_to(self._root).parts:
            assert node.entries is not None
            node = node.entries[part]
        return node

    def _folder(self, path: Path) -> dict[str, Node]:
        entries = self._find(path.parent).entries
        assert entries is not None
        return entries

    def apply(self, operation: Callable[..., Any], arguments: tuple[Any, ...], result: Any) -> None:
        """Repeat one call."""
        if operation is os.open:
            path, flags = Path(arguments[0]), arguments[1]
            if flags & os.O_CREAT:
                self._folder(path).setdefault(path.name, Node())
            self._open[result] = self._find(path)
        elif operation is os.write:
            self._open[arguments[0]].data += bytes(arguments[1][:result])
        elif operation is os.fsync:
            node = self._open[arguments[0]]
            node.flushed, node.flushed_entries = node.data, dict(node.entries or {})
        elif operation is os.mkdir:
            self._folder(Path(arguments[0]))[Path(arguments[0]).name] = Node(entries={})
        elif operation is os.rename:
            old, new = map(Path, arguments)
            self._folder(new)[new.name] = self._folder(old).pop(old.name)
        elif operation in (os.unlink, os.rmdir):
            del self._folder(Path(arguments[0]))[Path(arguments[0]).name]

    def remains(self, keeps_names_from: int, keeps_data: float) -> Remains:
        """Return the files and folders (None) after a power loss.

        Unflushed names are kept in folders this deep or deeper, and this share of unflushed bytes.
        """
        found: Remains = {}

        def visit(node: Node, path: str, depth: int) -> None:
            if node.entries is None:
                fresh = node.data[len(node.flushed) :] if node.data.startswith(node.flushed) else node.data
                found[path] = node.flushed + fresh[: round(len(fresh) * keeps_data)]
                return
            found[path] = None
            for name, child in (node.entries if depth >= keeps_names_from else node.flushed_entries).items():
                visit(child, f"{path}/{name}", depth + 1)

        visit(self.top, ".", 0)
        return found


def restore(remains: Remains, target: Path) -> None:
    """Write what remained to a real disk."""
    for name, data in remains.items():
        if data is None:
            (target / name).mkdir()
        else:
            (target / name).write_bytes(data)


@pytest.mark.withstands("faults", case="F04")
@pytest.mark.parametrize("steps", [(1, 2), (3, 4, 5)], ids=["first saves", "later saves"])
def test_power_lost_at_each_call_of_a_save(
    run: Run, tensors: Tensors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: tuple[int, ...]
) -> None:
    before_steps = steps[0] - 1
    start(run, tensors, last=before_steps)
    before = tmp_path / "before"
    shutil.copytree(run.folder, before)
    log: list[tuple[Callable[..., Any], tuple[Any, ...], Any]] = []
    reported = []

    def door(operation: Callable[..., Any], *arguments: Any) -> Any:
        kept = tuple(bytes(item) if isinstance(item, memoryview) else item for item in arguments)
        result = None if operation is os.fsync else operation(*arguments)
        if operation is not os.readv:
            log.append((operation, kept, result))
        return result

    with monkeypatch.context() as watched:
        watched.setattr(disk, "_call", door)
        for step in steps:
            work(run, step, tensors)
            reported.append(len(log))
    simulated, num_states, seen = SimulatedDisk(before), 0, set()
    for count in range(len(log) + 1):
        oldest_last = before_steps + sum(count >= calls for calls in reported)
        for keeps_names_from, keeps_data in itertools.product((0, 1, 2, 3), (1.0, 0.5, 0.0)):
            num_states += 1
            remains = simulated.remains(keeps_names_from, keeps_data)
            state = (oldest_last, frozenset(remains.items()))
            if state not in seen:
                seen.add(state)
                restore(remains, tmp_path / "after")
                check_after_power_loss(Run(tmp_path / "after"), tensors, oldest_last)
                shutil.rmtree(tmp_path / "after")
        if count < len(log):
            operation, arguments, result = log[count]
            moved = tuple(before / a.relative_to(run.folder) if isinstance(a, Path) else a for a in arguments)
            simulated.apply(operation, moved, result)
    assert num_states > 1200
    assert len(seen) > 100


def check_after_power_loss(run: Run, tensors: Tensors, oldest_last: int) -> None:
    """Assert that what was reported as saved is there, with the journal up to it."""
    if oldest_last == 0 and not store.has_checkpoint(run):
        return
    last = check_sound(run, tensors, oldest_last)
    journal = [record["step"] for record in Journal(run.metrics).read()]
    assert journal[:last] == list(range(1, last + 1))
