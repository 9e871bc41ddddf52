"""The tests of the store notice when it is wrong: each wrong version fails the test that was written for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs.mutants import MUTANTS, ROOT, UNCHANGED
from tests.withstood import Tally


@pytest.mark.slow
@pytest.mark.withstands("store mutants")
def test_every_wrong_store_fails_its_test(tmp_path: Path, tally: Tally) -> None:
    command = [sys.executable, "-m", "tests.runs.mutants", str(tmp_path)]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    statuses = json.loads(output.splitlines()[-1])
    assert statuses.pop(UNCHANGED) == pytest.ExitCode.OK
    print(statuses)
    tally(sum(status == pytest.ExitCode.TESTS_FAILED for status in statuses.values()), len(MUTANTS))
