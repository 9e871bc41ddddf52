"""Fitting the fields of a recipe on its training split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlw import registry
from dlw.errors import DataError, did_you_mean
from dlw.fields._base import Role, State
from dlw.progress import Listener
from dlw.recipe.schema import Block, Recipe
from dlw.shards import ShardedTable, sampled
from dlw.specs import NO_TARGET
from dlw.verbs._fitted import Column, Fitted, beside, followed, missing_columns
from dlw.verbs._memory import budget_bytes

if TYPE_CHECKING:
    import pyarrow as pa


def fit(recipe: Recipe, train: pa.Table, listener: Listener) -> Fitted:
    """Fit every input and target field on the training split; DataError names missing columns and useless targets."""
    assert recipe.data.inputs != "auto", "resolve_inputs comes first"
    blocks: list[tuple[str, Block, Role]] = [(name, block, "input") for name, block in recipe.data.inputs.items()]
    blocks += [(name, block, "target") for name, block in recipe.data.target.items()]
    missing = [name for name, _, _ in blocks if name not in train.column_names]
    if missing:
        raise DataError(missing_columns(missing, train.column_names))
    columns: list[Column] = []
    rows_of = _rows_to_fit(train, [name for name, _, _ in blocks], budget_bytes(recipe), listener)
    for name, block, role in blocks:
        block = _as_task_asks(block, role, recipe)
        columns.append(_fit_column(name, block, role, columns, rows_of, len(train), listener))
    fitted = Fitted(tuple(columns), tuple(train.column_names))
    if not fitted.inputs:
        raise DataError("no input column is left: each is constant or empty in the training split")
    if not recipe.data.target:
        is_own = NO_TARGET.kind not in registry.load("tasks", recipe.task.type).TARGETS
        return replace(fitted, own_target=_own_target(recipe, fitted)) if is_own else fitted
    targets = {column.spec.kind for column in columns if column.role == "target"}
    names = [column.name for column in columns if column.role == "target"]
    if len(targets) > 1 or ("category" in targets and len(names) > 1):
        raise DataError(
            f"targets {', '.join(names)} do not go together: several numbers, several labels or one category"
        )
    return fitted


def _own_target(recipe: Recipe, fitted: Fitted) -> str:
    """Return the one input group that the task can learn from itself."""
    kinds = registry.load("tasks", recipe.task.type).OWN_TARGETS
    found = [group for group, spec in fitted.inputs.items() if spec.kind in kinds]
    if len(found) != 1:
        raise DataError(
            f"task {recipe.task.type} learns from one input ({' or '.join(kinds)}) without a target, {len(found)} found"
        )
    return found[0]


def _as_task_asks(block: Block, role: Role, recipe: Recipe) -> Block:
    """Keep classes that training never saw where the task does, and put nothing around a text that it learns to go on
    with, unless the recipe says."""
    task = registry.load("tasks", recipe.task.type)
    is_open = role == "target" and getattr(task, "KEEPS_UNSEEN", False)
    is_own = not recipe.data.target and bool(getattr(task, "OWN_TARGETS", ()))
    asked: dict[str, Any] = {"unseen": "keep"} if is_open and block.type == "category" else {}
    asked |= {"frame": False} if is_own and block.type == "text" else {}
    given = {name: value for name, value in asked.items() if block.options.get(name) is None}
    return Block.model_validate({"type": block.type, **block.options, **given})


def _rows_to_fit(train: pa.Table, names: list[str], num_bytes: int, listener: Listener) -> Callable[..., pa.Table]:
    """Return what gives the rows that columns are fitted on: all of the training split where it is in memory.

    Of a table on disk, whole columns that fit a quarter of the budget together; for others a sample of the rows.
    """
    if not isinstance(train, ShardedTable):
        return lambda *_: train
    train.select(names).window()  # raises where its shards are too large to be read
    whole = train.select(names).gather(names, num_bytes // 4)
    sample = whole
    if left := [name for name in names if name not in whole.column_names]:
        sample = sampled(train.select(names), num_bytes // 8)
        listener.line(f"fitted on a sample of {len(sample):,} of {len(train):,} training rows: {', '.join(left)}")
    return lambda *columns: whole if set(columns) <= set(whole.column_names) else sample


def _fit_column(
    name: str,
    block: Block,
    role: Role,
    before: Sequence[Column],
    rows_of: Callable[..., pa.Table],
    num_rows: int,
    listener: Listener,
) -> Column:
    module = registry.load("fields", block.type)
    settings = module.Settings.model_validate(block.options)
    others = followed(name, block.type, before)
    taken = _taken_over(name, settings.takes_over, before)
    train = rows_of(name, *(column.name for column in others))
    state = module.build(settings, name, role).fit(train[name], *beside(name, block.type, before, train), *taken)
    for note in state.pop("notes", ()):
        listener.warn(note)
    if "dropped" in state:
        listener.warn(f"column {name} is left out: it {state['dropped']} of the training split")
    sample = None if len(train) == num_rows else len(train)
    return Column(name, block.type, role, settings.model_dump(mode="json"), state, sample)


def _taken_over(name: str, source: str | None, columns: Iterable[Column]) -> tuple[State, ...]:
    """Return what the input learned that a field builds on, nothing for a field that learns alone."""
    if source is None:
        return ()
    inputs = {column.name: column.state for column in columns if column.role == "input"}
    if source not in inputs:
        raise DataError(
            f"column {name} builds on the input {source}{did_you_mean(source, list(inputs))}; there is none"
        )
    return (inputs[source],)
