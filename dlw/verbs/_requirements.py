"""Conditions on scores, held against what was found."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass

from dlw import registry
from dlw.errors import UsageError, did_you_mean
from dlw.recipe.conditions import EXAMPLES, Condition, parse

_SIGNS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}


@dataclass(frozen=True)
class Verdict:
    """A condition and the figure found; an undefined figure meets nothing."""

    text: str
    value: float
    is_met: bool


def read(text: str) -> Condition:
    """Parse a condition; UsageError if it has another form or names a metric that is not in the room."""
    condition = parse(text)
    if condition is None:
        raise UsageError(f"require {text!r}: expected the form {EXAMPLES}")
    known = registry.names("metrics")
    if condition.metric not in known:
        raise UsageError(
            f"require {text!r}: no metric is called {condition.metric}{did_you_mean(condition.metric, known)}"
        )
    return condition


def judge(condition: Condition, found: Mapping[tuple[str, str], float]) -> Verdict:
    """Hold a condition against the figures found by metric and column; the column of a plain score is empty."""
    value = found[condition.metric, condition.column]
    return Verdict(condition.text, value, bool(_SIGNS[condition.sign](value, condition.figure)))
