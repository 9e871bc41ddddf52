"""Security promise X7: every bomb is refused within five seconds and 512 MiB, in a process that has no more."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.withstood import Tally

PROGRAM = Path(__file__).with_name("limited.py")
REFUSALS = {
    "aliases": "aliases are not allowed",
    "deep recipe": "nested deeper than 32 levels",
    "long recipe": "larger than 256 KiB",
    "picture": "169,000,000 pixels, the limit is 50,000,000",
    "deep json": "nested too deeply",
    "deep json line": "a.jsonl",
    "long csv field": "a.csv:2",
    "many tensors": "header",
    "large tensor": "header",
    "long header": "at most 16777216",
}


@pytest.mark.withstands("security", case="X7")
def test_bombs_are_refused_in_little_time_and_memory(tmp_path: Path, tally: Tally) -> None:
    done = subprocess.run([sys.executable, str(PROGRAM), str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = {answer["bomb"]: answer for answer in map(json.loads, done.stdout.splitlines())}
    held = [name for name, words in REFUSALS.items() if words in found[name]["refusal"] and found[name]["seconds"] < 5]
    assert set(held) == set(REFUSALS), found
    tally(len(held), len(REFUSALS))
