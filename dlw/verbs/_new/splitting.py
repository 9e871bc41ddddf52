"""Splits that do not leak: what belongs together stays together, what comes later is judged later."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from dlw.columns import to_codes
from dlw.recipe.schema import SplitPlan
from dlw.splits import assign
from dlw.verbs._new.readings import Facts, Reading

FEW_ROWS = 20
"""Below this many training rows none are spared for choosing the checkpoint."""
_GROUP = re.compile(
    r"(speaker|patient|subject|person|session|writer|author|user|customer|client|household|machine|engine|device|unit"
    r"|station|site|group|family|recording|video|scene|batch)(_?(id|no|number))?",
    re.IGNORECASE,
)
MOST_REPEATED = 0.05
"""Share of rows up to which texts may occur again and still be split row by row."""
MOST_OF_ONE = 0.05
"""Share of the rows that one text may have where rows of the same text stay together."""
MAX_SEEDS = 100
BORDERS = {"train": 0.7, "validation": 0.8, "test": 1}
"""Where the splits of a recording end, as shares of its rows."""
_PLAN = {"train": 0.8, "validation": 0.1, "test": 0.1}

Plan = tuple[dict[str, Any] | None, str]
"""`data.splits` and the reason in words."""


def plan(facts: Facts, reading: Reading) -> Plan:
    """Return how the rows are cut; None keeps the data's own splits."""
    given = [name for name in ("validation", "test") if name in facts.tables]
    if reading.task == "recommendation":
        return None, "the last of each user is for test, the one before for validation"
    if reading.task in ("forecasting", "anomaly") and facts.recordings:
        return None, "what comes later is judged: `borders` above"
    if len(given) == 2:
        return None, "the data's own"
    if reading.task == "language_modeling" and facts.is_plain_text:
        return _running(given)
    if len(facts.train) < FEW_ROWS:
        return {"train": "train", **{name: name for name in given}}, "too few rows to spare some for validation"
    shares = {**_PLAN, **dict.fromkeys(given, 0)}
    shares["train"] = round(1 - shares["validation"] - shares["test"], 2)
    cut, why = _kind(facts, reading, shares)
    missing = " and ".join(name for name in ("validation", "test") if name not in given)
    if given:
        why = f"{missing} cut from train, the data has its own {given[0]}; {why}"
    return cut, why


def _running(given: list[str]) -> Plan:
    cut: dict[str, Any] = {"train": "train[:80%]", "validation": "train[80%:90%]", "test": "train[90%:]"}
    if given:
        own = given[0]
        other = "test" if own == "validation" else "validation"
        cut = {"train": "train[:90%]", own: own, other: "train[90%:]"}
        cut = {name: cut[name] for name in ("train", "validation", "test")}
    return cut, "by place: pieces of a text are like what stands beside them"


def _kind(facts: Facts, reading: Reading, shares: Mapping[str, float]) -> Plan:
    """Choose what keeps rows together."""
    rows, target = facts.recordings, next(iter(reading.targets), None)
    if reading.task == "embedding":
        assert target is not None, "rows are compared by a label"
        return _grouped(facts, target, shares, "judged by classes that training never saw")
    if rows and rows.by and rows.by != target:
        return _grouped(facts, rows.by, shares, f"rows of one {rows.by} stay together")
    if rows:
        return {"type": "time", "by": rows.order, **shares}, "the rows are in the order of time: later ones are judged"
    if facts.of_kind("molecule"):
        name = facts.of_kind("molecule")[0]
        return {"type": "scaffold", "by": name, **shares}, "molecules of one scaffold stay together"
    for name, column in facts.columns.items():
        repeats = len(column.codes) / max(1, len(column.words))
        if _GROUP.fullmatch(name) and name != target and len(column.words) >= 5 and repeats >= 2:
            if _is_shared(facts, name):
                return _single(reading, shares)[
                    0
                ], f"its test knows each {name} from train, and so does this validation"
            return _grouped(facts, name, shares, f"rows of one {name} stay together")
    for name in facts.of_kind("text"):
        if name != target and _is_repeated(facts, name):
            return _grouped(facts, name, shares, f"rows of the same {name} stay together")
    return _single(reading, shares)


def _is_repeated(facts: Facts, name: str) -> bool:
    """Tell whether many texts occur again, and none so often that its rows are a split of their own."""
    counts = facts.columns[name].counts
    rows = len(facts.train)
    return rows - len(counts) > MOST_REPEATED * rows and bool(counts.max() <= MOST_OF_ONE * rows)


def _single(reading: Reading, shares: Mapping[str, float]) -> Plan:
    is_class = len(reading.targets) == 1 and all(block["type"] == "category" for block in reading.targets.values())
    if is_class:
        return {"type": "stratified", **shares}, "each class by the same shares"
    return {"type": "random", **shares}, "row by row"


def _is_shared(facts: Facts, name: str) -> bool:
    """Tell whether the rows that judge, as the data has them, are mostly of groups that training holds."""
    others = [facts.tables[split] for split in ("test", "validation") if split in facts.tables]
    found = [word for table in others if name in table.column_names for word in to_codes(table[name])[1]]
    return bool(found) and sum(word in facts.columns[name].words for word in found) > len(found) / 2


def _grouped(facts: Facts, by: str, shares: Mapping[str, float], why: str) -> Plan:
    """Return a split by whole groups with the first seed that gives every split about its share of the rows."""
    count = len(set(facts.columns[by].words))
    least = 1 / count
    judged = {name: round(max(share, least), 2) for name, share in shares.items() if share and name != "train"}
    shares = {**shares, **judged, "train": round(1 - sum(judged.values()), 2)}
    used = {name: share for name, share in shares.items() if share}
    for seed in range(MAX_SEEDS):
        made = assign(SplitPlan(type="group", by=by, seed=seed), facts.train, [], used)
        found = np.bincount(made, minlength=len(used)) / len(made)
        if all(0.5 * share <= got <= 2 * share for got, share in zip(found, used.values(), strict=True)):
            break
    return {"type": "group", "by": by, **shares, "seed": seed}, why
