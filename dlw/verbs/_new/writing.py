"""The text of a new recipe: laid out like those that come along, every decision with its reason."""

from __future__ import annotations

import json
import re
import shlex
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from dlw.recipe._references import escape
from dlw.recipe.compose import quoted
from dlw.verbs._new.drafting import AHEAD, Draft
from dlw.verbs._new.sizing import Network

WIDTH = 118
MAX_LEFT_OUT = 20
"""Columns left out that are named one by one."""
_PLAIN_WORD = re.compile(r"(\.{0,2}/)*[A-Za-z_][A-Za-z0-9_./-]*")
_DURATION = re.compile(r"[1-9]\d* (epochs?|steps?)")
_NOT_PLAIN = frozenset({"true", "false", "null", "yes", "no", "on", "off"})


def write(name: str, file: str, source: str, rows: int, draft: Draft, network: Network, task: Mapping[str, Any]) -> str:
    """Return the text of a recipe for `file`; `source` is the data as it names them, `rows` those to learn from."""
    reading = draft.reading
    learned = f"{', '.join(reading.targets)} ({reading.why})" if reading.targets else reading.why
    lines = [
        *_comment(f"Learns {learned} from {rows:,} training rows of {source}.", ""),
        f"#   dlw train {_printable(shlex.quote(file))} && dlw evaluate runs/{name}-1",
        "# Written by `dlw recipe new` from the data alone; not measured yet.",
        "recipe: 1",
        f"name: {name}",
        *_section("task", dict(task), network.notes.get("task")),
        "seed: 42",
        "data:",
        *_data(draft, network),
        *_section("model", network.model, network.notes.get("model", "`dlw list models` shows the others")),
        *_section("optimizer", network.optimizer),
        *_section("lr_scheduler", network.lr_scheduler),
        *_section("train", network.train, network.notes.get("train", "minutes on a CPU; longer is often better")),
    ]
    if network.checkpoint:
        lines += _section("checkpoint", network.checkpoint, network.notes.get("checkpoint"))
    lines += _section("evaluate", {"baseline": True, **network.evaluate}, "a plain method beside the network")
    return "\n".join([*lines, "export: {format: onnx}"]) + "\n"


def _data(draft: Draft, network: Network) -> Iterator[str]:
    yield from _section("source", draft.source, indent=1)
    plan, why = draft.splits
    if plan is None:
        yield from _comment(f"splits: {why}", "  ")
    else:
        yield from _section("splits", plan, why, indent=1)
    inputs = {name: dict(block) for name, block in draft.inputs.items()}
    if len(inputs) == 1:
        yield from _section("inputs", inputs, indent=1)
    else:
        yield "  inputs:"
        yield from (f"    {word(name)}: {_value(block)}" for name, block in inputs.items())
    yield from _left_out(draft.left_out, "  " if len(inputs) == 1 else "    ")
    if draft.target:
        yield from _section("target", {name: dict(block) for name, block in draft.target.items()}, indent=1)
    if draft.num_missing:
        yield f"  drop_missing_target: true   # {draft.num_missing} rows have none"
    if network.augment:
        yield from _section("augment", network.augment, network.notes.get("augment"), indent=1)


def _left_out(left_out: Mapping[str, str], margin: str) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for name, reason in left_out.items():
        by_reason.setdefault(reason, []).append(word(name))
    for reason, names in by_reason.items():
        more = f" and {len(names) - MAX_LEFT_OUT} more" if len(names) > MAX_LEFT_OUT else ""
        verb = "is" if len(names) == 1 else "are"
        yield from _comment(f"{', '.join(names[:MAX_LEFT_OUT])}{more} {verb} left out: {reason}", margin)


def _section(key: str, value: Any, note: str | None = None, *, indent: int = 0) -> Iterator[str]:
    """Lay a section out on one line with its reason behind it, or over several with the reason before them."""
    margin = "  " * indent
    line = f"{margin}{key}: {_value(value)}"
    if note and len(line) + len(note) + 5 <= WIDTH:
        yield f"{line}   # {note}"
        return
    if note:
        yield from _comment(note, margin)
    if len(line) <= WIDTH or not isinstance(value, Mapping | list):
        yield line
        return
    yield f"{margin}{key}:"
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _section(word(name), part, indent=indent + 1)
    else:
        yield from (f"{margin}  - {_value(part)}" for part in value)


def _comment(text: str, margin: str) -> list[str]:
    begin = f"{margin}# "
    return textwrap.wrap(_printable(text), WIDTH, initial_indent=begin, subsequent_indent=begin, break_long_words=False)


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        if list(value) == ["type"]:
            return word(value["type"])
        return "{" + ", ".join(f"{word(str(key))}: {_value(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):
        return word(value if value == AHEAD else escape(value))
    return json.dumps(value)


def word(text: str) -> str:
    """Return text as a YAML scalar, quoted where it must be."""
    is_plain = (_PLAIN_WORD.fullmatch(text) and text.lower() not in _NOT_PLAIN) or _DURATION.fullmatch(text)
    return text if is_plain else quoted(text)
