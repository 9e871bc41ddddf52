"""What a wrong or unusual command line is answered with (bad inputs C01 to C09)."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlw.cli.main import COMMANDS, run
from dlw.runs import disk
from tests.withstood import case

DLW = [sys.executable, "-m", "dlw"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.withstands("bad inputs", case="C01")
@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (["trian"], "'train'"),
        (["evalute"], "'evaluate'"),
        (["recipe", "shwo"], "'show'"),
        (["train", "digits", "--resme"], "--resume"),
        (["evaluate", "runs/x", "--slcie", "a"], "--slice"),
        (["list", "modles"], "models"),
        (["recipe", "copy", "digit"], "digits"),
        (["train", "digit"], "digits"),
        (["train", "digits", "-s", "train.epoch=3"], "epochs"),
        (["train", "digits", "-s", "modle=resnet"], "model"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_a_typo_is_answered_with_the_nearest_word(
    arguments: list[str], nearest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert nearest in told.err
    assert len(told.err.splitlines()) < 15


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        case("C02", ["train", "digits", "-s", "optimizer.lr=abc"], 2, ["optimizer.lr", "abc", "number"]),
        case("C02", ["train", "digits", "-s", "nope=1"], 2, ["nope", "unknown key"]),
        case("C02", ["train", "digits", "-s", "train.epochs"], 2, ["path=value"]),
        case("C06", ["train", "digits", "--device", "cuda:7"], 2, ["train.device: cuda:7", "available: auto, cpu"]),
        case("C06", ["train", "digits", "--device", "gpu"], 2, ["train.device", "did you mean cuda?"]),
        case("C05", ["train", "digits", "--out", "/proc/self/run"], 6, ["/proc/self/run", "cannot create"]),
        case("C07", ["train", "digits", "--workers", "10000"], 2, ["train.workers", "256"]),
        case("C07", ["train", "digits", "--threads", "0"], 2, ["train.threads", "1"]),
        (["train"], 2, ["which recipe"]),
        case("C03", ["train", "--resume"], 4, ["no run"]),
        case("C03", ["train", "--resume", "nowhere"], 4, ["not found", "nowhere"]),
        case("C03", ["train", "--resume", "."], 4, ["missing", "recipe.yaml"]),
        case("C03", ["train", "digits", "--resume"], 4, ["digits"]),
        (["train", "digits", "--resume", "runs/digits-1"], 2, ["its own recipe"]),
        (["evaluate"], 2, ["missing argument", "RUN"]),
        case("K01", ["evaluate", "nowhere"], 4, ["not found"]),
        case("K01", ["evaluate", "weights.pt"], 4, ["never loads pickle"]),
        (["benchmark", "x", "--batch-sizes", "1,b"], 2, ["--batch-sizes", "1,64"]),
        (["benchmark", "x", "--max-regression", "lots"], 2, ["--max-regression", "10%"]),
        (["benchmark", "x", "--threads", "none"], 2, ["--threads", "1 to 1024"]),
        (["export", "x", "--tolerance", "small"], 2, ["--tolerance", "1e-4"]),
        (["predict", "nowhere", "a.csv"], 4, ["nowhere"]),
        (["list", "--code", "odd.py"], 2, ["--code", "room"]),
        (["recipe", "new", "nowhere.csv"], 3, ["nowhere.csv"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_said(
    arguments: list[str], code: int, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == code
    told = capsys.readouterr()
    assert told.out == ""
    for word in words:
        assert word in told.err
    assert "Traceback" not in told.err


@pytest.mark.withstands("bad inputs", case="C04")
def test_out_is_refused_when_it_holds_something(capsys: pytest.CaptureFixture[str]) -> None:
    Path("full").mkdir()
    Path("full/thing").touch()
    assert run(["train", "digits", "--out", "full"]) == 2
    assert "--resume" in capsys.readouterr().err


@pytest.mark.withstands("bad inputs", case="C05")
def test_out_is_refused_when_it_is_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").touch()
    assert run(["train", "digits", "--out", "file"]) == 6
    assert "file" in capsys.readouterr().err


@pytest.mark.withstands("bad inputs", case="C05")
def test_out_that_may_not_be_written_says_whose_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(operation: Callable[..., Any], *arguments: Any) -> Any:
        if operation is os.mkdir:
            raise PermissionError(errno.EACCES, "Permission denied", str(arguments[0]))
        return operation(*arguments)

    monkeypatch.setattr(disk, "_call", forbidden)
    assert run(["train", "digits", "--out", "here"]) == 6
    assert re.search(r"here: cannot create: Permission denied .*owner .*mode ", capsys.readouterr().err)


def test_nothing_asked_is_answered_with_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    told = capsys.readouterr().out
    assert all(command in told for command in COMMANDS)


@pytest.mark.parametrize("command", [[], *([command] for command in COMMANDS), ["recipe", "new"]], ids=" ".join)
def test_help_fits_a_terminal(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "--help"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert all(len(line) <= 80 for line in told.out.splitlines())


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_says_what_it_does_in_a_line(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(["--help"])
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(f"  {command} "))
    assert line.endswith(".")
    assert not line.endswith("...")


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--json"],
        ["list", "models", "--json"],
        ["runs", "--json"],
        ["doctor", "--json"],
        ["recipe", "show", "digits", "--json"],
        ["recipe", "show", "digits", "--resolved", "--json"],
        ["recipe", "check", "digits", "--json"],
        ["recipe", "diff", "digits", "digits", "--json"],
        ["recipe", "schema"],
        ["train", "--json", "nowhere"],
        ["recipe", "check", "nowhere", "--json"],
        ["evaluate", "--json"],
        ["list", "--json", "--nope"],
    ],
    ids=" ".join,
)
def test_json_is_one_object(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code = run(arguments)
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    assert ("error" in found) == (code != 0)


def test_check_reports_every_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("nam: x\n")
    assert run(["recipe", "check", "digits", "a.yaml", "b.yaml"]) == 2
    told = capsys.readouterr()
    assert "digits.yaml: good" in told.out
    assert "a.yaml:1:1" in told.err
    assert "b.yaml:1:1" in told.err


def test_runs_of_a_folder_that_cannot_be_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("nowhere", "a" * 5000, "\udcff"):
        assert run(["runs", name]) == 0
        assert "no runs in" in capsys.readouterr().err


def test_copy_writes_a_recipe_that_is_right_and_overwrites_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipe", "copy", "digits", "mine.yaml"]) == 0
    assert Path("mine.yaml").is_file()
    assert run(["recipe", "copy", "digits", "mine.yaml"]) == 2
    assert "exists already" in capsys.readouterr().err


def test_show_puts_changes_in_place(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipe", "show", "digits", "-s", "train.epochs=3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["train"]["epochs"] == 3


@pytest.mark.withstands("bad inputs", case="C08")
@pytest.mark.parametrize("command", ["list", "recipe schema", "--help", "recipe show digits --resolved"])
def test_a_reader_that_leaves_is_no_error(command: str) -> None:
    """C08: `| head -1`, and no reader at all."""
    for end in ("| head -1 >/dev/null", "| true", ">&-"):
        script = f"set -o pipefail; {sys.executable} -m dlw {command} {end}"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, ""), end


def test_a_full_disk_under_stdout_is_said() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*DLW, "list"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 6
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.withstands("bad inputs", case="C09")
def test_the_c_locale_is_enough() -> None:
    """C09: ASCII streams, whatever the names are."""
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
    for arguments, code in ((["list"], 0), (["--help"], 0), (["train", "näme-\udcff"], 2)):
        done = subprocess.run([*DLW, *arguments], capture_output=True, env=environment, timeout=60)
        assert done.returncode == code
        assert b"Traceback" not in done.stderr
        (done.stdout + done.stderr).decode("ascii")


def _in_terminal(arguments: list[str], columns: int, **variables: str) -> tuple[int, str]:
    """Run dlw on a terminal of so many columns and return its exit code and what it drew."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", **variables}
    process = subprocess.Popen([*DLW, *arguments], stdout=theirs, stderr=theirs, stdin=theirs, env=environment)
    os.close(theirs)
    drawn = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not part:
            break
        drawn += part
    os.close(ours)
    return process.wait(timeout=60), drawn.decode()


@pytest.mark.withstands("bad inputs", case="C09")
@pytest.mark.parametrize("arguments", [["list"], ["doctor"], ["recipe", "show", "digits"]], ids=" ".join)
@pytest.mark.parametrize("columns", [20, 80])
def test_small_and_plain_terminals(arguments: list[str], columns: int) -> None:
    code, drawn = _in_terminal(arguments, columns, NO_COLOR="1")
    assert code == 0
    assert "\x1b" not in drawn
    if arguments == ["list"]:
        wide = [line for line in drawn.splitlines() if len(line) > columns and " " in line.strip()]
        assert not wide


@pytest.mark.withstands("bad inputs", case="C09")
def test_colour_is_for_terminals_that_want_it() -> None:
    assert "\x1b[31merror" in _in_terminal(["evaluate"], 80)[1]
    assert "\x1b" not in _in_terminal(["evaluate"], 80, NO_COLOR="1")[1]
    assert "\x1b" not in _in_terminal(["evaluate"], 80, TERM="dumb")[1]


def test_names_from_outside_never_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """X8: control codes, clipboard writes and reordered text come out as escapes."""
    for payload in ("\x1b]52;c;aGk=\x07", "\x1b[2J", "a\rb", "\u202egnp", "\x9b31m", "\x7f"):
        for arguments in (
            ["train", payload],
            ["evaluate", payload],
            ["list", payload],
            [payload],
            ["list", f"--{payload}"],
        ):
            run(arguments)
            told = capsys.readouterr()
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", told.out + told.err), arguments
