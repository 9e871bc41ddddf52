"""The data section of a new recipe: source, splits, inputs and target, as the reading of the data asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlw.errors import DataError
from dlw.verbs._new.columns import MEDIA, Column
from dlw.verbs._new.readings import Facts, Reading, channels
from dlw.verbs._new.splitting import BORDERS, Plan, plan
from dlw.verbs._rows import is_known

AHEAD = "${data.source.ahead}"
"""How a forecast is as long as what its source cuts off."""
HISTORY = 60
"""Steps of a history from which a number or class is told."""
MOST_HISTORY = 336
SESSION = 100
"""Items of a history."""
SHORT_TEXT, LONG_TEXT = 60, 200
"""Tokens of a text that is read or written whole."""
RUNNING_CHARACTERS = 20_000_000
"""Longer texts are read in pieces of words instead of characters."""


@dataclass(frozen=True)
class Draft:
    """The data section. `left_out` maps columns to reasons."""

    reading: Reading
    source: str | dict[str, Any]
    splits: Plan
    inputs: Mapping[str, Mapping[str, Any]]
    target: Mapping[str, Mapping[str, Any]]
    left_out: Mapping[str, str]
    num_missing: int

    def data(self) -> dict[str, Any]:
        """Return it as a tree."""
        tree = {"source": self.source, "splits": self.splits[0], "inputs": self.inputs, "target": self.target}
        return {**tree, "drop_missing_target": self.num_missing > 0}


def draft(facts: Facts, reading: Reading) -> Draft:
    """Return the data section for a reading."""
    splits = plan(facts, reading)
    if reading.task == "recommendation":
        return Draft(reading, _log(facts), splits, {"history": {"type": "identities"}}, _next(), {}, 0)
    if facts.recordings and reading.task != "clustering" and not _is_plain_rows(facts, reading):
        return _of_recordings(facts, reading, splits)
    inputs, left_out = _inputs(facts, reading)
    return Draft(reading, facts.source, splits, inputs, _target(facts, reading), left_out, _num_missing(facts, reading))


def _is_plain_rows(facts: Facts, reading: Reading) -> bool:
    """Tell whether rows of one long recording are told from their own columns, without those before."""
    rows = facts.recordings
    return rows is not None and rows.by is None and reading.task in ("classification", "regression")


def _log(facts: Facts) -> dict[str, Any]:
    log = facts.log
    assert log is not None, "recommendation is read from logs alone"
    source: dict[str, Any] = {"type": "interactions", "path": facts.source}
    named = {"user": (log.user, "user_id"), "item": (log.item, "item_id"), "time": (log.time, "timestamp")}
    source |= {key: name for key, (name, default) in named.items() if name != default}
    if log.item in log.side and log.title:
        source |= {"side": {log.item: log.side[log.item]}, "title": log.title}
    return {**source, "length": SESSION}


def _next() -> dict[str, Any]:
    return {"next": {"type": "following"}}


def _of_recordings(facts: Facts, reading: Reading, splits: Plan) -> Draft:
    rows = facts.recordings
    assert rows is not None, "asked only of recordings"
    told = () if reading.task == "forecasting" else reading.targets
    columns = [name for name in channels(facts) if name not in told]
    if reading.task == "forecasting" and reading.targets:
        columns = list(reading.targets)
    if not columns:
        raise DataError(f"{facts.data}: no column of numbers beside {', '.join(told)} that changes with {rows.order}")
    source: dict[str, Any] = {"type": "series", "path": facts.source}
    source |= {"by": rows.by} if rows.by else {}
    source |= {"order": rows.order, "columns": columns}
    shortest = int(np.quantile(rows.lengths, 0.1))
    if reading.task == "forecasting":
        season = rows.season
        ahead = min(season or 24, max(1, shortest // 20))
        source |= {"length": int(np.clip(7 * ahead, 8, min(MOST_HISTORY, max(8, shortest // 4)))), "ahead": ahead}
        target: dict[str, Any] = {"type": "series", "length": AHEAD}
        target |= {"season": season} if season and season < source["length"] + ahead else {}
        made = {"window": target}
    elif reading.task == "anomaly":
        source |= {"length": min(64, max(8, shortest // 8)), "partial": True}
        source |= {"reference": min(160, max(8, shortest // 4))} if rows.by else {}
        made = {name: dict(block) for name, block in reading.targets.items()}
    else:
        source |= {"length": min(HISTORY, max(8, shortest)), "partial": True}
        made = {name: dict(block) for name, block in reading.targets.items()}
    if reading.task in ("forecasting", "anomaly"):
        is_cut = len(facts.tables) > 1
        source |= {"borders": {"train": 0.8, "validation": 1} if is_cut else dict(BORDERS)}
        source |= {"continues": True} if is_cut else {}
    if rows.has_ties:
        source |= {"repeated": "keep"}
    left_out = {
        name: "it hardly varies"
        for name in facts.of_kind("number")
        if name not in (*columns, rows.by, rows.order, *made)
    }
    length = {"length": source["length"]} if reading.task in ("classification", "regression") else {}
    return Draft(reading, source, splits, {"history": {"type": "series", **length}}, made, left_out, 0)


def _inputs(facts: Facts, reading: Reading) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return the columns to learn from, and why others are left out."""
    others = {name: column for name, column in facts.columns.items() if name not in reading.targets}
    chosen, reason = _chosen(facts, reading, list(others))
    left_out = {name: others[name].reason or reason for name in others if name not in chosen}
    inputs = {name: _block(facts, reading, others[name]) for name in chosen}
    return inputs, left_out


def _chosen(facts: Facts, reading: Reading, others: list[str]) -> tuple[list[str], str]:
    """Return the columns that the network of a reading reads."""
    columns = facts.columns
    wanted: dict[str, tuple[str, ...]] = {
        "transcription": ("sound",),
        "sequence_to_sequence": ("text",),
        "language_modeling": ("messages", "text"),
    }
    for kind in (*wanted.get(reading.task, ()), *MEDIA, "molecule", "series", "messages"):
        found = [name for name in others if columns[name].kind == kind]
        if found:
            return found[:1], f"the network below reads one {'picture' if kind == 'image' else kind}"
    readable: tuple[str, ...] = ("number", "category", "timestamp", "text")
    if reading.task in ("clustering", "anomaly"):
        readable = ("number", "category") if reading.task == "clustering" else ("number",)
    return [name for name in others if columns[name].kind in readable], "the network below does not read it"


def _block(facts: Facts, reading: Reading, column: Column) -> dict[str, Any]:
    log = facts.log
    if log and column.name in (log.user, log.item):
        return {"type": "category"}
    if column.kind == "messages" and reading.task == "language_modeling":
        return {"type": "messages", "vocabulary": 4000}
    if column.kind == "messages":
        return {"type": "messages", "vocabulary": 16_000, "lowercase": True, "max_length": 400}
    if column.kind == "text":
        return _text(facts, reading, column)
    return {"type": column.kind, **column.block}


def _text(facts: Facts, reading: Reading, column: Column) -> dict[str, Any]:
    if reading.task == "language_modeling":
        is_short = sum(map(len, column.words)) < RUNNING_CHARACTERS
        return {"type": "text", "tokenizer": "characters" if is_short else "bpe", "max_length": 100_000}
    if reading.task == "sequence_to_sequence":
        return {"type": "text", "tokenizer": "bpe", "vocabulary": 6000, "max_length": tokens(column)}
    return {"type": "text", "tokenizer": "words", "lowercase": True}


def tokens(column: Column) -> int:
    """Return how many tokens nearly all texts of a column have, at four letters each, at most LONG_TEXT."""
    letters = np.quantile([len(word) for word in column.words], 0.98)
    return int(np.clip(round(letters / 3 / 8) * 8, 16, LONG_TEXT))


def _target(facts: Facts, reading: Reading) -> dict[str, dict[str, Any]]:
    made = {name: dict(block) for name, block in reading.targets.items()}
    for name, block in made.items():
        if reading.task == "transcription":
            block |= {"tokenizer": "characters", "ngrams": 6}
        if reading.task == "sequence_to_sequence":
            block |= {"tokenizer": "bpe", "vocabulary": 6000, "max_length": tokens(facts.columns[name])}
    return made


def _num_missing(facts: Facts, reading: Reading) -> int:
    """Count the rows without a target; several labels mask their gaps instead."""
    return sum(
        int((~is_known(table[name])).sum())
        for table in facts.tables.values()
        for name, block in reading.targets.items()
        if name in table.column_names and block["type"] != "labels"
    )
