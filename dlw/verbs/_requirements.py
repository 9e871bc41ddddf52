"""Conditions on scores such as "test/accuracy >= 0.9": read, and held against what was found."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass

from dlw import registry
from dlw.errors import UsageError, did_you_mean

_FORM = re.compile(r"\s*(?:([\w.-]+)/)?(\w+)\s*(>=|<=|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")
_SIGNS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}


@dataclass(frozen=True)
class Requirement:
    """A condition as written; `split` is empty where none was named."""

    text: str
    split: str
    metric: str
    sign: str
    figure: float


@dataclass(frozen=True)
class Verdict:
    """A condition and the figure found; an undefined figure meets nothing."""

    text: str
    value: float
    is_met: bool


def read(text: str) -> Requirement:
    """Parse a condition; UsageError if it has another form or names a metric that is not in the room."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise UsageError(f'require {text!r}: expected the form "accuracy >= 0.9" or "test/accuracy >= 0.9"')
    split, metric, sign, figure = found.groups()
    known = registry.names("metrics")
    if metric not in known:
        raise UsageError(f"require {text!r}: no metric is called {metric}{did_you_mean(metric, known)}")
    return Requirement(text, split or "", metric, sign, float(figure))


def judge(requirement: Requirement, values: Mapping[str, float]) -> Verdict:
    """Hold a condition against the metrics found."""
    value = values[requirement.metric]
    return Verdict(requirement.text, value, bool(_SIGNS[requirement.sign](value, requirement.figure)))
