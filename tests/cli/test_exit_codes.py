"""Every kind of failure ends with its own exit code and says so; only a bug shows a traceback."""

from __future__ import annotations

import errno
import json
import re
from pathlib import Path
from typing import Any

import pytest

from dlw import errors
from dlw.cli.main import run

README = Path(__file__).parents[2] / "README.md"

FAILURES = [
    (errors.UsageError("odd"), 2, "usage"),
    (errors.RecipeError([errors.Problem("r.yaml", 3, 7, "train.lr", "odd")]), 2, "recipe"),
    (errors.DataError("odd"), 3, "data"),
    (errors.RunError("odd"), 4, "run"),
    (errors.CheckpointError("odd"), 4, "run"),
    (errors.NonFiniteError("odd"), 5, "non-finite"),
    (errors.ResourceError("odd"), 6, "resource"),
    (MemoryError(), 6, "resource"),
    (OSError(errno.ENOSPC, "No space left on device", "/some/file"), 6, "resource"),
    (PermissionError(errno.EACCES, "Permission denied", "/some/file"), 6, "resource"),
    (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), 6, "resource"),
    (errors.RunInUseError("odd"), 7, "in-use"),
    (errors.DistributedError("odd"), 8, "distributed"),
    (errors.RequirementError("odd"), 9, "require"),
    (errors.Interrupted("stopped", 15), 143, "interrupted"),
    (errors.Interrupted("stopped", 2), 130, "interrupted"),
    (errors.Interrupted("stopped", 1), 129, "interrupted"),
    (ZeroDivisionError("odd"), 1, "bug"),
]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes `dlw train` raise an error."""
    import dlw.verbs.train

    def fail_with(error: BaseException) -> None:
        def train(*_: Any, **__: Any) -> None:
            raise error

        monkeypatch.setattr(dlw.verbs.train, "train", train)

    return fail_with


@pytest.mark.parametrize(("error", "code", "kind"), FAILURES, ids=lambda value: type(value).__name__)
def test_each_failure_has_its_code(
    error: BaseException, code: int, kind: str, failing: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(error)
    assert run(["train", "digits"]) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert ("Traceback" in told.err) == (code == 1)
    assert told.err.strip()


@pytest.mark.parametrize(("error", "code", "kind"), FAILURES, ids=lambda value: type(value).__name__)
def test_each_failure_is_one_json_object(
    error: BaseException, code: int, kind: str, failing: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(error)
    assert run(["train", "digits", "--json"]) == code
    found = json.loads(capsys.readouterr().out)
    assert found["error"]["kind"] == kind
    assert found["error"]["exit_code"] == code
    assert found["error"]["message"]


def test_an_interrupt_is_130(failing: Any, capsys: pytest.CaptureFixture[str]) -> None:
    failing(KeyboardInterrupt())
    assert run(["train", "digits"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_bug_asks_for_a_report(failing: Any, capsys: pytest.CaptureFixture[str]) -> None:
    failing(ZeroDivisionError("odd"))
    run(["train", "digits"])
    assert "Please report" in capsys.readouterr().err


def test_a_full_disk_names_the_file(failing: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "kept"
    file.touch(mode=0o640)
    failing(PermissionError(errno.EACCES, "Permission denied", str(file)))
    run(["train", "digits"])
    assert re.search(rf"{file}: Permission denied \(owner \d+, mode \d+\)", capsys.readouterr().err)


def test_requirements_unmet_still_show_what_was_found(
    failing: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Found:
        def to_json(self) -> dict[str, Any]:
            return {"score": 0.5}

    failing(errors.RequirementError("accuracy is not met", Found()))
    assert run(["train", "digits", "--json"]) == 9
    found = json.loads(capsys.readouterr().out)
    assert found["score"] == 0.5
    assert found["error"]["kind"] == "require"


def test_many_problems_are_cut(failing: Any, capsys: pytest.CaptureFixture[str]) -> None:
    failing(errors.RecipeError([errors.Problem("r.yaml", n, 1, "", "odd") for n in range(1, 40)]))
    run(["train", "digits"])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) <= 14
    assert lines[-1] == "... and 29 more"


def test_the_first_problem_is_pointed_at(failing: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("train:\n  epoch: 3\n")
    failing(errors.RecipeError([errors.Problem(str(file), 2, 3, "train.epoch", "unknown key")]))
    run(["train", "digits"])
    assert capsys.readouterr().err == f"{file}:2:3: train.epoch: unknown key\n      epoch: 3\n      ^\n"


def test_the_readme_lists_the_codes() -> None:
    listed = set(re.findall(r"^\| ([\d, ]+) \|", README.read_text(encoding="utf-8"), re.MULTILINE))
    codes = {int(code) for row in listed for code in row.split(", ")}
    assert codes == {0, *(code for _, code, _ in FAILURES)}
