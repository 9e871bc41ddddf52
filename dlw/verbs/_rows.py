"""From a recipe's data section to one table per split, and the decision of what its columns are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from dlw import registry
from dlw.columns import from_numbers, to_codes
from dlw.errors import DataError
from dlw.fields._columns import family
from dlw.fields._words import to_words
from dlw.progress import Listener
from dlw.recipe.check import settings
from dlw.recipe.schema import Recipe
from dlw.shards import SAMPLED_ROWS, ShardedTable, in_pieces, sampled
from dlw.sources._files import MEDIA
from dlw.sources._tables import pictures_at
from dlw.splits import apply
from dlw.verbs import _inference
from dlw.verbs._episodes import open_episodes
from dlw.verbs._fitted import missing_columns
from dlw.verbs._leaks import compared, report_duplicates
from dlw.verbs._memory import budget_bytes
from dlw.verbs._sources import folder_of, open_source

if TYPE_CHECKING:
    import pyarrow as pa

MOST_PATH_BYTES = 2**22
_INFINITE = (float("inf"), float("-inf"))


Known: TypeAlias = Callable[["pa.Table", str], np.ndarray]
"""Which rows of a table hold a value in a column: as `known`."""


def load_tables(
    recipe: Recipe,
    root: Path,
    cache: Path,
    listener: Listener,
    budget: int | None = None,
    known_of: Known | None = None,
) -> dict[str, pa.Table]:
    """Return the tables train, validation and test as far as they exist; ShardedTables where their rows take more than
    `budget` bytes, the recipe's own budget unless given.

    Rows that occur in two splits are counted and told; DataError with `data.strict`. Rows without a target are an
    error unless `data.drop_missing_target`; `known_of` tells which they are in place of `known`.
    """
    data = recipe.data
    tables = open_source(data.source, root, cache, listener, budget_bytes(recipe) if budget is None else budget)
    targets = list(data.target)
    for table in tables.values():
        missing = [name for name in _named(recipe) if name not in table.column_names]
        if missing:
            raise DataError(missing_columns(missing, table.column_names))
    tables = apply(data.splits, _anchored(recipe, folder_of(data.source, root), tables), targets, listener)
    if recipe.evaluate.episodes:
        if "test" in tables:
            raise DataError("evaluate.episodes is the test split, but the data has one, too: name the data's splits")
        episodes = open_episodes(recipe, root, cache, listener)
        tables |= _anchored(recipe, folder_of(recipe.evaluate.episodes.source, root), episodes)
    return _finish(recipe, tables, listener, known_of or known)


def _finish(recipe: Recipe, tables: dict[str, pa.Table], listener: Listener, known_of: Known) -> dict[str, pa.Table]:
    for split, table in tables.items():
        tables[split] = _with_target(recipe, split, table, listener, known_of)
        if split == "train":
            tables[split] = _learnable(recipe, tables[split], listener)
        needed = 2 if split == "train" else 1
        if len(tables[split]) < needed:
            raise DataError(f"the {split} split: {len(tables[split])} rows found, at least {needed} needed")
    targets = {name: block.type for name, block in recipe.data.target.items()}
    columns = compared(_input_names(recipe, tables["train"].column_names), targets)
    if not are_sharded(tables):
        report_duplicates(tables, columns, recipe.data.strict, listener)
    elif recipe.data.strict:
        raise DataError(
            "data.strict looks for equal rows in two splits, which needs them all in memory, and they do not fit "
            "data.memory_budget: leave it out, or set a larger budget"
        )
    return tables


def are_sharded(tables: Mapping[str, pa.Table]) -> bool:
    """Tell whether any of the tables stays on disk."""
    return any(isinstance(table, ShardedTable) for table in tables.values())


def _learnable(recipe: Recipe, train: pa.Table, listener: Listener) -> pa.Table:
    """Leave out the training rows whose label the task does not learn from."""
    task = registry.load("tasks", recipe.task.type)
    if not hasattr(task, "learns_from") or not recipe.data.target:
        return train
    name = next(iter(recipe.data.target))
    codes, words = to_words(train[name], name)
    options = settings("tasks", recipe.task)
    kept = np.array([task.learns_from(options, word) for word in words], dtype=bool)[codes]
    if kept.all():
        return train
    listener.line(f"train: {int(kept.sum())} of {len(train)} rows to learn from, by their {name}")
    return train.take(from_numbers(np.flatnonzero(kept)))


def resolve_inputs(recipe: Recipe, train: pa.Table, listener: Listener) -> Recipe:
    """Replace `inputs: auto` by a field for each column, decided from the training split."""
    if recipe.data.inputs != "auto":
        return recipe
    left_out = {*recipe.data.target, *recipe.data.drop}
    if isinstance(train, ShardedTable):
        listener.line(f"inputs: auto looks at a sample of at most {SAMPLED_ROWS:,} rows of the training split")
    rows = sampled(train, budget_bytes(recipe) // 8)
    blocks = _inference.decide(rows, left_out, recipe.model.type, listener)
    if not blocks:
        raise DataError("inputs: auto found no column to learn from; name the inputs")
    # What `drop` left out is decided now; beside a list of inputs it would have no effect, which is an error.
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"inputs": blocks, "drop": []})})


def _anchored(recipe: Recipe, folder: Path, tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """Turn text columns that name pictures, masks or recordings into files, their paths starting at `folder`."""
    inputs = recipe.data.inputs
    masks = {name for name, block in recipe.data.target.items() if registry.load("fields", block.type).KIND == "mask"}
    folder = folder.absolute()
    anchored = {}
    for split, table in tables.items():
        for name in [*_input_names(recipe, table.column_names), *masks]:
            is_asked = name in masks or (inputs != "auto" and inputs[name].type in MEDIA)
            is_text = (is_asked or inputs == "auto") and family(table.schema.field(name).type) == "text"
            if is_text and (is_asked or _names_files(table, name)):
                table = _with_files(table, name, folder)
        anchored[split] = table
    return anchored


def _names_files(table: pa.Table, name: str) -> bool:
    few = sampled(table.select([name]), MOST_PATH_BYTES)
    return _inference.field_of_files(few[name]) is not None


def _with_files(table: pa.Table, name: str, folder: Path) -> pa.Table:
    """Replace paths by files."""

    def files(values: pa.ChunkedArray) -> pa.Array:
        return pictures_at([None if path is None else str(folder / path) for path in values.to_pylist()])

    if isinstance(table, ShardedTable):
        return table.edited(name, files, pictures_at([]).type)
    return table.set_column(table.column_names.index(name), name, files(table[name]))


def _named(recipe: Recipe) -> list[str]:
    inputs = [] if recipe.data.inputs == "auto" else list(recipe.data.inputs)
    return [*inputs, *recipe.data.target]


def _input_names(recipe: Recipe, columns: list[str]) -> list[str]:
    if recipe.data.inputs != "auto":
        return list(recipe.data.inputs)
    return [name for name in columns if name not in recipe.data.target and name not in recipe.data.drop]


def _with_target(recipe: Recipe, split: str, table: pa.Table, listener: Listener, known_of: Known) -> pa.Table:
    """Leave out rows without a target where the recipe allows it; `labels` targets mask their gaps instead."""
    usable = np.ones(len(table), dtype=bool)
    for name, block in recipe.data.target.items():
        if registry.load("fields", block.type).KIND == "labels":
            continue
        has_value = known_of(table, name)
        missing = np.flatnonzero(~has_value)
        if len(missing) and not recipe.data.drop_missing_target:
            rows = ", ".join(map(str, missing[:5]))
            raise DataError(
                f"target {name}: {len(missing)} of {len(table)} rows of the {split} split have no finite value "
                f"(first rows: {rows}); fill them, or set `data.drop_missing_target: true`"
            )
        usable &= has_value
    if usable.all():
        return table
    listener.line(f"{split}: {int((~usable).sum())} of {len(table)} rows left out, they have no target")
    return table.take(from_numbers(np.flatnonzero(usable)))


def known(table: pa.Table, name: str) -> np.ndarray:
    """Tell for each row, bool [N], whether it holds a value; a table on disk is read shard by shard."""
    return np.concatenate([is_known(piece[name]) for piece in in_pieces(table.select([name]), len(table))])


def is_known(values: pa.ChunkedArray) -> np.ndarray:
    """Tell for each row, bool [N], whether it holds a finite value; pictures and records are there or not."""
    if family(values.type) in ("pictures", "records", "lists"):
        return np.array(values.is_valid().to_pylist(), dtype=bool)
    codes, words = to_codes(values)
    return np.array([*(word != "" and word not in _INFINITE for word in words), False])[codes]
