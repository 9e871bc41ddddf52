"""Conditions on scores, as recipes and the command line write them.

`test/accuracy >= 0.9` is about a score; `max_gap(tpr, sex) <= 0.1` about the largest difference between two groups of a
column. The split may be left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

EXAMPLES = '"test/accuracy >= 0.9" or "max_gap(tpr, sex) <= 0.1"'

_FORM = re.compile(
    r"\s*(?:([\w.-]+)/)?"
    r"(?:(\w+)|max_gap\(\s*(\w+)\s*,\s*(\S.{0,200}?)\s*\))"
    r"\s*(>=|<=|>|<)\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*"
)


@dataclass(frozen=True)
class Condition:
    """A condition as written; `split` is empty where none was named, `column` where it is about no gap."""

    text: str
    split: str
    metric: str
    sign: str
    figure: float
    column: str = ""


def parse(text: str) -> Condition | None:
    """Return the condition, None if the text has another form; whether its names exist is for others to say."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    split, metric, gap_metric, column, sign, figure = found.groups()
    return Condition(text, split or "", metric or gap_metric, sign, float(figure), column or "")
