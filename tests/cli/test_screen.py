"""Cleaning, figures, JSON and the two ways of showing progress."""

from __future__ import annotations

import json

import pytest

from dlw.cli import terminal
from dlw.cli.screen import cell, clean, draw, emit, figure, table
from dlw.cli.terminal import Terminal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ntext", "plain\ntext"),
        ("naïve 日本", "naïve 日本"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("tab\tcr\r", "tab\\tcr\\r"),
        ("\u202eevil", "\\u202eevil"),
        ("\udcff", "\\udcff"),
        ("\x00", "\\x00"),
    ],
)
def test_clean(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_a_cell_is_one_line() -> None:
    assert cell("a\nb") == "a\\nb"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.123456, "0.1235"), (29812.3, "29,812"), (float("nan"), "-"), (None, "-"), (0.0, "0"), (1e-9, "1e-09")],
)
def test_figures_are_for_people(value: float | None, shown: str) -> None:
    assert figure(value) == shown


def test_json_has_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"a": float("nan"), "b": [float("inf"), 1.5], "c": {"d": (1, 2)}, 3: "ü"})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, 1.5], "c": {"d": [1, 2]}, "3": "ü"}


def test_an_empty_table_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    draw(table("name", "value", numeric=("value",)))
    assert capsys.readouterr().out == "name  value\n"


def test_without_a_terminal_progress_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now)
    with Terminal() as listener:
        for step in range(100):
            now += 1.0
            listener.progress("train", step, 100, {"train/loss": 0.5, "validation/loss": 9.0})
    told = capsys.readouterr()
    assert told.out == ""
    assert 9 <= len(told.err.splitlines()) <= 10
    assert "train 9/100  loss 0.5\n" in told.err


def test_a_counter_that_was_shown_is_shown_to_its_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now)
    with Terminal() as listener:
        listener.progress("encoding", 5, 5, {})
        now += 60.0
        for done in (0, 20, 40, 40):
            listener.progress("answers", done, 40, {})
    assert capsys.readouterr().err == "answers 0/40\nanswers 40/40\n"


def test_each_validation_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal() as listener:
        listener.progress(
            "validation", 5, 100, {"train/loss": 1.25, "validation/loss": 1.5, "validation/accuracy": 0.75}
        )
    assert capsys.readouterr().err == "step   5/100  loss 1.25  validation: loss 1.5  accuracy 0.75\n"


def test_quiet_keeps_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal(is_quiet=True) as listener:
        listener.line("said")
        listener.progress("validation", 5, 100, {"validation/loss": 1.5})
        listener.warn("odd \x1b[2J")
    assert capsys.readouterr().err == "warning: odd \\x1b[2J\n"
