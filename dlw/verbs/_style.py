"""Changing for one call how a network writes: `--set NAME=VALUE` of the task's own options, checked as in a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
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
    known = list(WritingSettings.model_fields)
    changes: dict[str, Any] = {}
    for assignment in sets:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise UsageError(f"--set {assignment}: expected NAME=VALUE, for example temperature=0.7")
        if name not in known:
            raise UsageError(
                f"--set {assignment}: how a text is written has no option {name}{did_you_mean(name, known)}; "
                f"there are {', '.join(known)}"
            )
        changes[name] = parse_value(text, f"--set {assignment}", Path.cwd()).plain()
    # Another way of choosing tokens leaves behind what the recipe says for its own.
    idle = () if "beams" not in changes else ("length_penalty",) if changes["beams"] == 1 else DRAWING
    options = {name: value for name, value in block.options.items() if name not in idle} | changes
    module = registry.load("tasks", block.type)
    faults = check_options(module, options, ())
    if faults:
        told = "; ".join(
            f"{'.'.join(fault.path)}: {fault.message}" if fault.path else fault.message for fault in faults
        )
        raise UsageError(f"--set: {told}")
    changed = Block.model_validate({"type": block.type, **options})
    task = module.build(settings("tasks", changed), answerer.fitted.target)
    return replace(answerer, task=task, task_block=changed)
