"""Every bad input, property and promise of the list has a test that counts for it, or stands here with the reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dlw import registry

TESTS = Path(__file__).parents[1]
BAD_INPUTS = [
    f"{letter}{number:02}"
    for letter, count in {"B": 23, "C": 9, "D": 24, "K": 8}.items()
    for number in range(1, count + 1)
]
PROPERTIES = [f"P{number}" for number in range(1, 15)]
PROMISES = [f"X{number}" for number in range(1, 13)]

NOT_YET = {
    "D23": ("sources", "archive", "no source reads archives"),
    "X6": ("sources", "archive", "no source reads archives"),
    "X12": ("exporters", "server", "there is no server"),
}
"""Case to the plug-in that would bring such an input, and why there is nothing to test before it is there."""


def _marked() -> set[str]:
    text = "\n".join(path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    return set(re.findall(r'\bcase(?:=|\(\s*)"([BCDKPX]\d+)"', text))


@pytest.mark.parametrize("case", [*BAD_INPUTS, *PROPERTIES, *PROMISES])
def test_every_case_is_tested_or_has_a_reason(case: str) -> None:
    if case in _marked():
        return
    assert case in NOT_YET, f"no test is marked with case={case!r}"
    room, name, reason = NOT_YET[case]
    assert reason
    assert name not in registry.names(room), f"{room}/{name} is there now: mark a test of it with case={case!r}"


def test_no_mark_names_a_case_that_is_not_on_the_list() -> None:
    assert len(BAD_INPUTS) == 64
    assert _marked() <= {*BAD_INPUTS, *PROPERTIES, *PROMISES}


def test_the_readme_says_each_promise_with_the_tests_that_count_for_it() -> None:
    page = (TESTS.parent / "README.md").read_text(encoding="utf-8").partition("## Security")[2].partition("\n## ")[0]
    lines = re.findall(r"^\| (X\d+) \| .+ \| (.+) \|$", page, re.MULTILINE)
    assert [promise for promise, _ in lines] == [promise for promise in PROMISES if promise != "X12"]
    for promise, tests in lines:
        files = re.findall(r"`(tests/[\w/]+\.py)`", tests)
        texts = [(TESTS.parent / file).read_text(encoding="utf-8") for file in files]
        marks = [text for text in texts if f'case="{promise}"' in text or f'"{promise}": (' in text]
        assert marks, f"none of {files} has a test marked with case={promise!r}"
