"""The journal of a resumed run equals that of an uninterrupted one, byte for byte."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from dlw.errors import RunError
from dlw.runs.journal import Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal goes."""
    return tmp_path / "metrics.jsonl"


def write(path: Path, first: int, last: int) -> None:
    """Append the lines of some steps, two for each."""
    for step in range(first, last + 1):
        Journal(path).append({"step": step, "loss": 1 / 3 / step})
        Journal(path).append({"step": step, "validation/accuracy": step / 7})


def test_records_come_back(path: Path) -> None:
    assert Journal(path).read() == []
    write(path, 1, 2)
    assert Journal(path).read()[0] == {"step": 1, "loss": 1 / 3}
    assert path.read_bytes().count(b"\n") == 4


@pytest.mark.parametrize("torn", [0, 1, 20, 37])
def test_resumed_journal_equals_the_uninterrupted_one(path: Path, tmp_path: Path, torn: int) -> None:
    whole = tmp_path / "whole.jsonl"
    write(whole, 1, 9)
    write(path, 1, 6)
    if torn:
        path.write_bytes(path.read_bytes()[:-torn])
    Journal(path).truncate_after(4)
    assert Journal(path).read()[-1]["step"] == 4
    write(path, 5, 9)
    assert path.read_bytes() == whole.read_bytes()


def test_truncating_nothing_is_fine(path: Path) -> None:
    Journal(path).truncate_after(3)
    assert not path.exists()
    write(path, 1, 2)
    Journal(path).truncate_after(-1)
    assert path.read_bytes() == b""


def test_numbers_that_json_lacks_become_null(path: Path) -> None:
    Journal(path).append({"step": 1, "auroc": math.nan, "by": {"a": [math.inf, 1.0]}})
    assert Journal(path).read() == [{"step": 1, "auroc": None, "by": {"a": [None, 1.0]}}]


@pytest.mark.parametrize("line", [b"{", b"[]", b"1", b"{}", b'{"step": "1"}', b"\xff", b"[" * 5000])
def test_damaged_line_is_named(path: Path, line: bytes) -> None:
    write(path, 1, 1)
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(RunError, match=r"metrics\.jsonl:3: damaged line"):
        Journal(path).truncate_after(1)
