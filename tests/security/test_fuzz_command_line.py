"""Mutated command lines: exit code 0 or 2, no traceback, whatever the words are. The verbs behind them are stubs."""

from __future__ import annotations

import importlib
import random
from pathlib import Path

import pytest

from dlw.cli.completions import command_tree
from dlw.cli.main import run
from dlw.errors import UsageError
from tests.security.mutations import mutated
from tests.withstood import Tally

SAME = ("train", "evaluate", "predict", "export", "benchmark", "new", "verify", "compare", "sweep", "launch")
WORKING = [*((name, name) for name in SAME), ("explain", "explain_rows"), ("explain", "explain_split")]
"""Modules of dlw.verbs and the functions in them that read or write."""
VALUES = [
    "digits",
    "penguins",
    "r.yaml",
    "nowhere",
    "3",
    "-1",
    "1e999",
    "10%",
    "cpu",
    "models",
    "runs",
    ".",
    "/",
    "-",
    "--",
]
VALUES += ["train.epochs=3", "train.epochs=", "=", "a.b.c=1", "model={type: mlp}", "data.splits.train=[", "extends=x"]
VALUES += ["optimizer.lr=1e-3", "optimizer.lr=abc", "*", "\x1b[31m", "\u202e", "\udcff", "", " ", "a" * 5000, "${seed}"]
PIECES = [b"--", b"=", b"-s", b".", b"/", b"\xff", b"{", b"[", b"${", b"\x1b[", b" "]


@pytest.fixture(autouse=True)
def _stubs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse for real, but train, read and write nothing."""

    def refuse(*_: object, **__: object) -> None:
        raise UsageError("a stub")

    monkeypatch.chdir(tmp_path)
    for module, function in WORKING:
        monkeypatch.setattr(importlib.import_module(f"dlw.verbs.{module}"), function, refuse)
    Path("r.yaml").write_text("name: r\ntask: classification\nmodel: mlp\n")


def words(chance: random.Random, commands: list[tuple[str, list[str]]]) -> list[str]:
    """Return one command line: a command, some of its options and values, a few of them mutated."""
    command, options = chance.choice(commands)
    parts = command.split()
    for _ in range(chance.randrange(6)):
        parts.append(chance.choice(options) if options and chance.random() < 0.5 else chance.choice(VALUES))
    if parts and chance.random() < 0.4:
        place = chance.randrange(len(parts))
        raw = mutated(parts[place].encode("utf-8", "surrogateescape"), chance, PIECES)
        parts[place] = raw.replace(b"\0", b"").decode("utf-8", "surrogateescape")
    return [part for part in parts if part not in ("--resume", "--deep")]


def broken(count: int, seed: int, capsys: pytest.CaptureFixture[str]) -> list[tuple[list[str], str]]:
    """Return which of `count` command lines were not answered with 0 or 2, or with a traceback or control codes."""
    chance, found = random.Random(seed), []
    tree = [
        (each.path, [name for option in each.options for name in option.names]) for each in command_tree().everything()
    ]
    for _ in range(count):
        line = words(chance, tree)
        code, told = run(line), capsys.readouterr().err
        is_shown = all(letter.isprintable() or letter == "\n" for letter in told)
        if code not in (0, 2) or "Traceback" in told or not is_shown:
            found.append((line, told))
    return found


@pytest.mark.withstands("fuzz: command lines")
def test_mutated_command_lines(capsys: pytest.CaptureFixture[str], tally: Tally) -> None:
    found = broken(500, 1, capsys)
    assert found == []
    tally(500 - len(found), 500)


@pytest.mark.slow
@pytest.mark.withstands("fuzz: command lines")
def test_many_mutated_command_lines(capsys: pytest.CaptureFixture[str], tally: Tally) -> None:
    found = broken(2_000, 2, capsys)
    assert found == []
    tally(2_000 - len(found), 2_000)
