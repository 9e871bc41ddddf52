"""Changing for one call how a network writes: `--set NAME=VALUE` of the task's own options, checked as in a recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from dlw import registry
from dlw.errors import UsageError, did_you_mean
from dlw.recipe._plugins import check_options
from dlw.recipe.check import settings
from dlw.recipe.parse import parse_value
from dlw.recipe.schema import Block
from dlw.tasks._writing import DRAWING, WritingSettings
from dlw.verbs._bundle import Answerer


def restyled(answerer: Answerer, sets: Sequence[str]) -> Answerer:
    """Return an answerer whose task writes by the options given; UsageError for any other or wrong one."""
    if not sets:
        return answerer
    if answerer.writer is None:
        raise UsageError(f"--set {sets[0]}: only networks that write have options that can be changed here")
    block = answerer.task_block
    changes = assigned(sets, list(WritingSettings.model_fields), "how a text is written")
    options = {name: value for name, value in block.options.items() if name not in _left_behind(changes)} | changes
    module = registry.load("tasks", block.type)
    refuse_faults(module, options)
    changed = Block.model_validate({"type": block.type, **options})
    task = module.build(settings("tasks", changed), answerer.fitted.target)
    return replace(answerer, task=task, task_block=changed)


def _left_behind(changes: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the recipe says for its own way of choosing tokens, which another way has no use for."""
    if changes.get("beams", 1) != 1:
        return DRAWING
    searched = ("length_penalty",) if "beams" in changes else ()
    is_greedy = changes.get("temperature") == 0 or changes.get("top_k") == 1
    return (*searched, "candidates") if is_greedy else searched


def assigned(sets: Sequence[str], known: Sequence[str], what: str) -> dict[str, Any]:
    """Return the options that `--set NAME=VALUE` gives; UsageError where `what` has no such option."""
    changes: dict[str, Any] = {}
    for assignment in sets:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise UsageError(f"--set {assignment}: expected NAME=VALUE, for example {(*known, 'name')[0]}=VALUE")
        if name not in known:
            there = f"there are {', '.join(known)}" if known else "it has none"
            raise UsageError(f"--set {assignment}: {what} has no option {name}{did_you_mean(name, known)}; {there}")
        changes[name] = parse_value(text, f"--set {assignment}", Path.cwd()).plain()
    return changes


def refuse_faults(module: ModuleType, options: Mapping[str, Any]) -> None:
    """Raise UsageError where the options given by `--set` are not those of a plug-in."""
    faults = check_options(module, options, ())
    if faults:
        told = "; ".join(
            f"{'.'.join(fault.path)}: {fault.message}" if fault.path else fault.message for fault in faults
        )
        raise UsageError(f"--set: {told}")
