"""Help, lists and shown recipes are answered at once: little processor time, and nothing heavy imported."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

QUICK = [
    ["--help"],
    ["--version"],
    ["train", "--help"],
    ["list"],
    ["list", "models"],
    ["recipe", "show", "digits"],
    ["runs"],
    ["trian"],
]
HEAVY = {"torch", "numpy", "pyarrow", "pydantic", "datasets", "onnxruntime", "sklearn", "rich"}
LIMIT_SECONDS = 0.2

_LOOK = """
import json, sys
from dlw.cli.main import run
run(sys.argv[1:])
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""


def _seconds(arguments: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], capture_output=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("arguments", QUICK, ids=" ".join)
def test_nothing_heavy_is_imported(arguments: list[str], tmp_path: Path) -> None:
    """Asked in an empty folder: `runs` shows a table where there are some."""
    command = [sys.executable, "-c", _LOOK, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    imported = set(json.loads(done.stderr.splitlines()[-1]))
    assert "typer" in imported
    assert not imported & HEAVY


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["recipe", "show", "digits"]], ids=" ".join)
def test_the_answer_takes_little_processor_time(arguments: list[str]) -> None:
    """The fastest of several tries; the limit grows on a slow or busy machine, where Python alone needs over 12 ms."""
    python = min(_seconds(["-c", "pass"]) for _ in range(3))
    fastest = min(_seconds(["-m", "dlw", *arguments]) for _ in range(5))
    assert fastest <= max(LIMIT_SECONDS, LIMIT_SECONDS * python / 0.012)
