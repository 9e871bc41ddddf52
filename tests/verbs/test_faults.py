"""Trainings under fire: killed, stopped, starved of disk and memory, moved, damaged. Names F01 to F26 count the faults.

After each of them the run is continued and must end with the bytes of a run that was left alone.
"""

from __future__ import annotations

import ctypes
import errno
import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch

from dlw.cli.main import run as command
from dlw.engine.progress import Plan
from dlw.progress import Silent
from dlw.recipe.schema import Train
from dlw.runs import disk, environment, store
from dlw.runs.layout import Run, open_run
from dlw.runs.lock import hold
from dlw.verbs import _batches
from dlw.verbs.train import train
from tests.forks import fork
from tests.verbs.resumed_runs import (
    FAMILIES,
    Moment,
    first_differences,
    outcome,
    small_batches_without_waiting,  # noqa: F401
    stopped_at,
    write_recipe,
)
from tests.withstood import Tally

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A small table and a recipe of twelve steps, saved every second one."""
    return write_recipe(tmp_path, "mlp")


@pytest.fixture
def straight(recipe: Path, tmp_path: Path) -> dict[str, bytes]:
    """What the recipe comes to when nothing happens."""
    train(recipe, out=tmp_path / "straight")
    return outcome(tmp_path / "straight")


def forked(work: Callable[[], int]) -> int:
    """Run a function in a forked process that exits with what it returns; return its pid."""
    pid = fork()
    if pid:
        return pid
    status = 99
    try:
        status = work()
    finally:
        os._exit(status)


def ended(pid: int) -> int:
    """Wait for a process and return its exit status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def go_on(recipe: Path, run: Path) -> int:
    """Start the run or continue it by the command line, as a person would; return the exit code."""
    has_begun = (run / "recipe.yaml").exists()
    return command(["train", *(("--resume", str(run)) if has_begun else (str(recipe), "--out", str(run))), "--quiet"])


def litter(folder: Path) -> list[str]:
    """Return what should have been cleared away."""
    return [path.name for path in folder.rglob("*") if path.name.startswith((disk.TEMPORARY, disk.DELETED, ".cache"))]


def check_same(recipe: Path, run: Path, straight: dict[str, bytes]) -> None:
    """Continue the run to its end and compare it with one that was left alone."""
    assert go_on(recipe, run) == 0
    assert first_differences(straight, outcome(run)) == []
    assert litter(run) == []


def at_call(call: int, act: Callable[[], None]) -> Callable[..., Any]:
    """Return a door to the disk that acts before one of the calls."""
    calls = 0

    def door(operation: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            act()
        return None if operation is os.fsync else operation(*arguments)

    return door


def num_calls(recipe: Path, folder: Path) -> int:
    """Return how many disk calls a whole training makes."""
    calls = 0

    def door(operation: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        return None if operation is os.fsync else operation(*arguments)

    with mock.patch.object(disk, "_call", door):
        assert go_on(recipe, folder) == 0
    return calls


@pytest.mark.withstands("training killed at its disk calls", case="F01")
@pytest.mark.parametrize("stride", [53, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.timeout(5400)
def test_killed_at_the_calls_of_a_whole_training(
    recipe: Path, straight: dict[str, bytes], tmp_path: Path, stride: int, tally: Tally
) -> None:
    held, plan = 0, range(1, num_calls(recipe, tmp_path / "counted") + 1, stride)
    for call in plan:
        run = tmp_path / f"run-{call}"
        with mock.patch.object(disk, "_call", at_call(call, lambda: os.kill(os.getpid(), signal.SIGKILL))):
            assert ended(forked(lambda run=run: go_on(recipe, run))) == -signal.SIGKILL  # type: ignore[misc]
        check_same(recipe, run, straight)
        held += 1
        shutil.rmtree(run)
    tally(held, len(plan))


@pytest.mark.withstands("SIGKILLs of forked trainings", case="F02")
@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.timeout(1800)
def test_killed_at_random_again_and_again(tmp_path: Path, family: str, kills: int, tally: Tally) -> None:
    recipe = write_recipe(tmp_path, family, workers=2 if family in ("resnet", "mlp") else 0)
    start = time.monotonic()
    assert ended(forked(lambda: go_on(recipe, tmp_path / "straight"))) == 0
    longest_seconds = time.monotonic() - start
    straight = outcome(tmp_path / "straight")
    chance, hits, number, equal, runs = random.Random(kills), 0, 0, 0, 0
    while hits < kills or runs == 0:
        run = tmp_path / f"run-{number}"
        pid = forked(lambda run=run: go_on(recipe, run))  # type: ignore[misc]
        if hits < kills:
            time.sleep(chance.uniform(0, longest_seconds))
            os.kill(pid, signal.SIGKILL)
        status = ended(pid)
        hits += status == -signal.SIGKILL
        assert status in (0, -signal.SIGKILL)
        if status == 0:
            runs, number = runs + 1, number + 1
            equal += first_differences(straight, outcome(run)) == [] and litter(run) == []
    assert equal == runs
    tally(hits if equal == runs else 0, hits)


@pytest.mark.withstands("faults", case="F06")
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT], ids=errno.errorcode.get)
@pytest.mark.parametrize(
    "name",
    ["log.txt", "fields.json", "recipe.yaml", "environment.json", "metrics.jsonl", "predictions.csv", "metrics.json"],
)
def test_disk_full_in_one_file(
    recipe: Path, straight: dict[str, bytes], tmp_path: Path, name: str, error: int, capsys: pytest.CaptureFixture[str]
) -> None:
    run, full = tmp_path / "run", set()

    def door(operation: Callable[..., Any], *arguments: Any) -> Any:
        if operation is os.write and arguments[0] in full:
            os.write(arguments[0], arguments[1][: len(arguments[1]) // 2])
            raise OSError(error, os.strerror(error))
        result = None if operation is os.fsync else operation(*arguments)
        if operation is os.open:
            (full.add if name in Path(arguments[0]).name else full.discard)(result)
        return result

    def work() -> int:
        if name == "predictions.csv":
            return command(["predict", str(run), str(tmp_path / "people.csv"), "-o", str(run / name)])
        if name == "metrics.json":
            return command(["evaluate", str(run), "--split", "validation"])
        return go_on(recipe, run)

    if name in ("predictions.csv", "metrics.json"):
        assert go_on(recipe, run) == 0
    capsys.readouterr()
    with mock.patch.object(disk, "_call", door):
        assert work() == 6
    assert os.strerror(error) in capsys.readouterr().err.replace("\n", " ")
    assert not list(run.rglob("predictions.csv"))
    assert not list(run.rglob("metrics.json"))
    assert not (run / "fields.json").exists() or name != "fields.json"
    check_same(recipe, run, straight)


def obey_mode_bits() -> None:
    """Give up the right of the super-user to write where the mode forbids it (capabilities 1 and 2 of capset(2))."""
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.capget(header, data) == 0
    data[0] &= ~0b110
    assert libc.capset(header, data) == 0


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder that may be read only, while the test lasts."""
    folder = tmp_path / "locked"
    folder.mkdir()
    yield folder
    folder.chmod(0o755)


@pytest.mark.withstands("faults", case="F08")
@pytest.mark.parametrize("place", ["new", "old"])
def test_a_run_that_may_not_be_written_says_so(
    recipe: Path, read_only: Path, place: str, capfd: pytest.CaptureFixture[str]
) -> None:
    run = read_only / "run" if place == "new" else read_only
    if place == "old":
        with stopped_at("mid-epoch", 1):
            assert command(["train", str(recipe), "--out", str(run)]) == 143
        run.joinpath("checkpoints").chmod(0o555)
    read_only.chmod(0o555)

    def work() -> int:
        obey_mode_bits()
        start = time.monotonic()
        status = go_on(recipe, run)
        return status if time.monotonic() - start < 1.0 else 50

    try:
        assert ended(forked(work)) == 6
    finally:
        if place == "old":
            run.joinpath("checkpoints").chmod(0o755)
    text = capfd.readouterr().err.replace("\n", " ")
    assert "owner" in text
    assert "555" in text


@pytest.mark.withstands("faults", case="F08")
def test_data_and_home_may_be_read_only(
    recipe: Path, straight: dict[str, bytes], tmp_path: Path, read_only: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (recipe, tmp_path / "people.csv"):
        shutil.copy(path, read_only)
    read_only.chmod(0o555)
    monkeypatch.setenv("HOME", str(read_only))
    monkeypatch.setenv("XDG_CACHE_HOME", str(read_only))

    def work() -> int:
        obey_mode_bits()
        return go_on(read_only / recipe.name, tmp_path / "run")

    assert ended(forked(work)) == 0
    check_same(recipe, tmp_path / "run", straight)


@pytest.mark.withstands("faults", case="F11")
def test_all_checkpoints_damaged_is_an_error_and_no_new_start(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    train(recipe, out=run)
    for path in run.glob("checkpoints/step-*/model.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    before = {path: path.read_bytes() for path in run.glob("**/*.safetensors")}
    assert go_on(recipe, run) == 4
    assert "every checkpoint is damaged" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in run.glob("**/*.safetensors")} == before


@pytest.mark.withstands("faults", case="F13")
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("moment", ["mid-epoch", "during validation", "epoch end"])
def test_a_signal_saves_at_once_and_has_its_own_exit_code(
    recipe: Path, straight: dict[str, bytes], tmp_path: Path, number: signal.Signals, moment: Moment
) -> None:
    before = {other: signal.getsignal(other) for other in SIGNALS}
    with stopped_at(moment, 1, number):
        assert go_on(recipe, tmp_path / "run") == 128 + number
    assert {other: signal.getsignal(other) for other in SIGNALS} == before
    step = {"mid-epoch": 6, "during validation": 4, "epoch end": 4}[moment]
    assert store.load(Run(tmp_path / "run"), "last", Silent()).step == step
    check_same(recipe, tmp_path / "run", straight)


def first_call_of_save(recipe: Path, folder: Path) -> tuple[int, int]:
    """Return the numbers of the first and the last disk call of the second checkpoint."""
    calls, marks = 0, []
    save = store.save

    def door(operation: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        return None if operation is os.fsync else operation(*arguments)

    def watched(*arguments: Any, **options: Any) -> Path:
        marks.append(calls)
        path = save(*arguments, **options)
        marks.append(calls)
        return path

    with mock.patch.object(disk, "_call", door), mock.patch.object(store, "save", watched):
        assert go_on(recipe, folder) == 0
    return marks[2] + 1, marks[3]


@pytest.mark.withstands("faults", case="F13")
def test_a_signal_in_a_save_lets_it_end(recipe: Path, straight: dict[str, bytes], tmp_path: Path) -> None:
    first, last = first_call_of_save(recipe, tmp_path / "counted")
    for call in range(first, last + 1, 12):
        run = tmp_path / f"run-{call}"
        with mock.patch.object(disk, "_call", at_call(call, lambda: signal.raise_signal(signal.SIGTERM))):
            assert go_on(recipe, run) == 143
        assert store.load(Run(run), "last", Silent()).step in (4, 5)
        check_same(recipe, run, straight)


@pytest.mark.withstands("faults", case="F13")
@pytest.mark.parametrize("moments", [4, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.timeout(1800)
def test_signals_at_random_moments(tmp_path: Path, moments: int) -> None:
    recipe = write_recipe(tmp_path, "mlp", epochs=30)
    start = time.monotonic()
    assert ended(forked(lambda: go_on(recipe, tmp_path / "straight"))) == 0
    longest_seconds, straight = time.monotonic() - start, outcome(tmp_path / "straight")
    chance, hits = random.Random(moments), 0
    for attempt in range(10 * moments):
        run, number = tmp_path / f"run-{attempt}", chance.choice(SIGNALS)
        pid = forked(lambda run=run: go_on(recipe, run))  # type: ignore[misc]
        time.sleep(chance.uniform(0, longest_seconds))
        os.kill(pid, number)
        sent = time.monotonic()
        status = ended(pid)
        assert time.monotonic() - sent < 10
        # Before the first step there is nothing to save, after the last one nothing to stop.
        assert status in (0, 128 + number, -number)
        if status == 128 + number and list(run.glob("checkpoints/step-*")):
            hits += 1
            check_same(recipe, run, straight)
        shutil.rmtree(run, ignore_errors=True)
        if hits == moments:
            return
    pytest.fail(f"only {hits} signals met a training")


@pytest.mark.withstands("faults", case="F14")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_second_signal_in_a_save_ends_at_once_and_loses_nothing(
    recipe: Path, straight: dict[str, bytes], tmp_path: Path, number: signal.Signals
) -> None:
    first, last = first_call_of_save(recipe, tmp_path / "counted")

    def insist() -> None:
        for _ in range(2):
            signal.raise_signal(number)
            time.sleep(0.05)

    for call in range(first, last + 1, 20):
        run = tmp_path / f"run-{call}"
        with mock.patch.object(disk, "_call", at_call(call, insist)):
            start = time.monotonic()
            assert ended(forked(lambda run=run: go_on(recipe, run))) == -number  # type: ignore[misc]
            assert time.monotonic() - start < 5
        assert store.load(Run(run), "last", Silent()).step in (2, 4)
        check_same(recipe, run, straight)


@pytest.mark.withstands("faults", case="F15")
@pytest.mark.parametrize("seconds", [0.2, pytest.param(30, marks=pytest.mark.slow)])
def test_stopped_and_woken_it_goes_on(tmp_path: Path, seconds: float) -> None:
    recipe = write_recipe(tmp_path, "resnet", workers=2, epochs=10)
    train(recipe, out=tmp_path / "straight")
    pid = forked(lambda: go_on(recipe, tmp_path / "run"))
    while not (tmp_path / "run" / "metrics.jsonl").exists():
        time.sleep(0.01)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(pid, signal.SIGCONT)
    assert ended(pid) == 0
    assert first_differences(outcome(tmp_path / "straight"), outcome(tmp_path / "run")) == []


@pytest.mark.withstands("faults", case="F16")
def test_a_diverging_training_ends_with_what_was_good(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    sets = ["optimizer={type: sgd, lr: 100, weight_decay: 1}", "train.epochs=20", "checkpoint.every=1 step"]
    changes = [word for change in sets for word in ("-s", change)]
    assert command(["train", str(recipe), "--out", str(run), *changes, "--quiet"]) == 5
    text = capsys.readouterr().err.replace("\n", " ")
    assert "training left the finite numbers at step" in text
    assert "row" in text
    for folder in run.glob("checkpoints/step-*"):
        saved = store.load(Run(run), int(folder.name[5:]), Silent())
        assert all(tensor.isfinite().all() for group in saved.tensors.values() for tensor in group.values())


@pytest.mark.withstands("faults", case="F18")
def test_an_error_of_a_loader_names_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path, "resnet", workers=2)
    picture = tmp_path / "05.png"
    whole, save = picture.read_bytes(), store.save

    def save_and_spoil(*arguments: Any, **options: Any) -> Path:
        picture.write_bytes(b"<html>")
        return save(*arguments, **options)

    one_by_one = mock.patch.object(_batches, "ROWS_AT_ONCE", 8)  # rows that are read before the first save stay read
    with one_by_one, mock.patch.object(store, "save", save_and_spoil):
        assert go_on(recipe, tmp_path / "run") == 3
    assert "05.png" in capsys.readouterr().err.replace("\n", "")
    picture.write_bytes(whole)
    train(recipe, out=tmp_path / "straight")
    check_same(recipe, tmp_path / "run", outcome(tmp_path / "straight"))


@pytest.mark.withstands("faults", case="F19")
def test_memory_that_runs_out_is_said(recipe: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> int:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**29, used + 2**29))
        sets = ["-s", "model.width=16384", "-s", "model.depth=3"]
        return command(["train", str(recipe), "--out", str(tmp_path / "run"), *sets, "--quiet"])

    assert ended(forked(work)) == 6
    text = capfd.readouterr().err.replace("\n", " ")
    assert "out of memory" in text
    assert "train.batch_size" in text


DAY = 86_400.0


@pytest.mark.withstands("faults", case="F20")
@pytest.mark.parametrize("seconds", [-DAY, 365 * DAY, -3600.0])
def test_a_clock_that_is_set_changes_nothing(
    recipe: Path, straight: dict[str, bytes], tmp_path: Path, seconds: float
) -> None:
    run, clock = tmp_path / "run", time.time
    with stopped_at("mid-epoch", 1):
        assert go_on(recipe, run) == 143
    for number, path in enumerate(sorted(run.rglob("*"), reverse=True)):
        os.utime(path, (number * DAY, number * DAY))
    plan = Plan(Train(batch_size=8), "1 minute", 32)
    with mock.patch("time.time", side_effect=lambda: clock() + seconds):
        check_same(recipe, run, straight)
        assert not plan.is_save_due(mock.Mock(step=3))


@pytest.mark.withstands("faults", case="F21")
def test_a_run_in_use_is_left_alone(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    with stopped_at("mid-epoch", 1):
        assert go_on(recipe, run) == 143
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.name != ".lock"}
    with hold(Run(run)):
        start = time.monotonic()
        assert go_on(recipe, run) == 7
        assert command(["train", str(recipe), "--out", str(run)]) == 7
        assert time.monotonic() - start < 2
    assert f"process {os.getpid()}" in capsys.readouterr().err.replace("\n", " ")
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.name != ".lock"} == before


@pytest.mark.withstands("faults", case="F22")
@pytest.mark.parametrize("epochs", [20, pytest.param(600, marks=pytest.mark.slow)])
def test_answers_while_it_trains(tmp_path: Path, epochs: int) -> None:
    recipe, run = write_recipe(tmp_path, "mlp", epochs=epochs), tmp_path / "run"
    pid = forked(lambda: command(["train", str(recipe), "--out", str(run), "-s", "checkpoint.every=1 step", "--quiet"]))
    while not list(run.glob("checkpoints/step-*")):
        time.sleep(0.01)
    answers = 0
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        assert command(["predict", str(run), str(tmp_path / "people.csv"), "-o", str(tmp_path / "answers.csv")]) == 0
        answers += 1
    assert answers >= 2
    assert open_run(run).metrics.read_text().count("\n") == epochs


@pytest.mark.withstands("faults", case="F25")
@pytest.mark.parametrize("way", ["moved", "copied", "packed"])
def test_a_run_elsewhere_goes_on(recipe: Path, straight: dict[str, bytes], tmp_path: Path, way: str) -> None:
    run, target = tmp_path / "run", tmp_path / "anderswo ü" / "lauf"
    with stopped_at("mid-epoch", 1):
        assert go_on(recipe, run) == 143
    target.parent.mkdir()
    if way == "moved":
        run.rename(target)
    elif way == "copied":
        shutil.copytree(run, target)
    else:
        shutil.unpack_archive(shutil.make_archive(str(tmp_path / "run"), "tar", run), target, filter="data")
    old = os.umask(0o077)
    try:
        assert go_on(recipe, target) == 0
    finally:
        os.umask(old)
    assert first_differences(straight, outcome(target, tmp_path / "people.csv")) == []


@pytest.mark.withstands("faults", case="F26")
@pytest.mark.parametrize(("field", "value"), [("threads", 7), ("torch", "2.0.0"), ("cpu_capability", "another")])
def test_an_inexact_resume_is_refused_by_name(
    recipe: Path, tmp_path: Path, field: str, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    run, found = tmp_path / "run", environment.fingerprint()
    with stopped_at("mid-epoch", 1):
        assert go_on(recipe, run) == 143
    capsys.readouterr()
    with mock.patch.object(environment, "fingerprint", lambda device: {**found, "device": device, field: value}):
        assert go_on(recipe, run) == 4
        text = capsys.readouterr().err.replace("\n", " ")
        assert f"{field.replace('_', ' ')}: {found[field]} then, {value} now" in text
        assert "--allow-inexact" in text
        assert command(["train", "--resume", str(run), "--allow-inexact"]) == 0
        assert "continuing inexactly" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.withstands("faults", case="F26")
def test_threads_are_those_the_run_began_with(tmp_path: Path, recipe: Path, straight: dict[str, bytes]) -> None:
    run = tmp_path / "run"
    with stopped_at("mid-epoch", 1):
        assert go_on(recipe, run) == 143
    torch.set_num_threads(2)
    check_same(recipe, run, straight)
    assert torch.get_num_threads() == 1
