"""From a recipe's data section to one table per split, and the decision of what its columns are."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlw import registry
from dlw.errors import DataError
from dlw.progress import Listener
from dlw.recipe.schema import Block, Recipe
from dlw.splits import apply
from dlw.verbs import _inference
from dlw.verbs._fitted import missing_columns
from dlw.verbs._leaks import report_duplicates

if TYPE_CHECKING:
    import pyarrow as pa

_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*/[\w.-]+$")
MIRROR = "DLW_DATA"
"""Environment variable: a folder where a source that is not there is looked up by the last part of its path."""


def load_tables(recipe: Recipe, root: Path, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Return the tables train, validation and test as far as they exist.

    Rows that occur in two splits are counted and told; DataError with `data.strict`. Rows without a target are an
    error unless `data.drop_missing_target`.
    """
    data = recipe.data
    tables = open_source(data.source, root, cache, listener)
    targets = list(data.target)
    for table in tables.values():
        missing = [name for name in _named(recipe) if name not in table.column_names]
        if missing:
            raise DataError(missing_columns(missing, table.column_names))
    tables = apply(data.splits, tables, targets, listener)
    return _finish(recipe, tables, listener)


def _finish(recipe: Recipe, tables: dict[str, pa.Table], listener: Listener) -> dict[str, pa.Table]:
    for split, table in tables.items():
        tables[split] = _with_target(recipe, split, table, listener)
        needed = 2 if split == "train" else 1
        if len(tables[split]) < needed:
            raise DataError(f"the {split} split: {len(tables[split])} rows found, at least {needed} needed")
    columns = _input_names(recipe, tables["train"].column_names)
    report_duplicates(tables, columns, recipe.data.strict, listener)
    return tables


def resolve_inputs(recipe: Recipe, train: pa.Table, listener: Listener) -> Recipe:
    """Replace `inputs: auto` by a field for each column, decided from the training split."""
    if recipe.data.inputs != "auto":
        return recipe
    left_out = {*recipe.data.target, *recipe.data.drop}
    blocks = _inference.decide(train, left_out, listener)
    if not blocks:
        raise DataError("inputs: auto found no column to learn from; name the inputs")
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"inputs": blocks})})


def open_source(source: str | list[str] | Block, root: Path, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Open a source as it names its splits; relative paths start at `root`, missing ones are looked up in DLW_DATA."""
    if isinstance(source, Block):
        name, options = source.type, dict(source.options)
        if name != "hub" and "path" in options:
            path = options["path"]
            options["path"] = [_place(p, root) for p in path] if isinstance(path, list) else _place(path, root)
    else:
        name, path = _recognise([source] if isinstance(source, str) else source, root)
        options = {"path": path}
    module = registry.load("sources", name)
    tables: dict[str, pa.Table] = module.open_tables(module.Settings.model_validate(options), cache, listener)
    return tables


def _place(text: str, root: Path) -> str:
    path = Path(os.path.expanduser(text))
    here = path if path.is_absolute() else root / path
    if os.path.lexists(here) or (glob.has_magic(text) and glob.glob(str(here), recursive=True)):
        return str(here)
    mirror = os.environ.get(MIRROR)
    if mirror and os.path.lexists(Path(mirror) / path.name):
        return str(Path(mirror) / path.name)
    return str(here)


def _recognise(paths: list[str], root: Path) -> tuple[str, Any]:
    if not paths:
        raise DataError("data.source: the list is empty")
    places = [_place(text, root) for text in paths]
    names: set[str] = set()
    for text, place in zip(paths, places, strict=True):
        found = (
            sorted(glob.glob(place, recursive=True))
            if glob.has_magic(place) and not os.path.lexists(place)
            else [place]
        )
        if not found or not os.path.lexists(found[0]):
            if len(paths) == 1 and _HUB_ID.match(text):
                return "hub", text
            raise DataError(_not_found(text, place))
        claiming = [name for name in registry.names("sources") if registry.load("sources", name).claims(Path(found[0]))]
        if not claiming:
            known = ", ".join(registry.names("sources"))
            raise DataError(
                f"{found[0]}: not a kind of data known here ({known}); an empty folder or an unknown suffix?"
            )
        if len(claiming) > 1:
            raise DataError(
                f"{found[0]}: could be read as {' or '.join(claiming)}; say which: "
                f"`source: {{type: {claiming[0]}, path: {text}}}`"
            )
        names.add(claiming[0])
    if len(names) > 1:
        raise DataError(f"data.source: files of different kinds ({', '.join(sorted(names))}); one kind is needed")
    return names.pop(), places[0] if len(places) == 1 else places


def _not_found(text: str, place: str) -> str:
    from dlw.errors import did_you_mean

    folder = Path(place).parent
    near = did_you_mean(Path(place).name, [entry.name for entry in folder.iterdir()]) if folder.is_dir() else ""
    mirror = os.environ.get(MIRROR)
    looked = f", nor in {MIRROR} ({mirror})" if mirror else ""
    return f"{text}: no such file or folder (looked for {place}{looked}){near}"


def _named(recipe: Recipe) -> list[str]:
    inputs = [] if recipe.data.inputs == "auto" else list(recipe.data.inputs)
    return [*inputs, *recipe.data.target]


def _input_names(recipe: Recipe, columns: list[str]) -> list[str]:
    if recipe.data.inputs != "auto":
        return list(recipe.data.inputs)
    return [name for name in columns if name not in recipe.data.target and name not in recipe.data.drop]


def _with_target(recipe: Recipe, split: str, table: pa.Table, listener: Listener) -> pa.Table:
    """Leave out rows without a target where the recipe allows it; `labels` targets mask their gaps instead."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    usable = np.ones(len(table), dtype=bool)
    for name, block in recipe.data.target.items():
        if registry.load("fields", block.type).KIND == "labels":
            continue
        column = table[name]
        known = pc.is_finite(column) if pa.types.is_floating(column.type) else column.is_valid()
        known = pc.fill_null(known, False).to_numpy()
        missing = np.flatnonzero(~known)
        if len(missing) and not recipe.data.drop_missing_target:
            rows = ", ".join(map(str, missing[:5]))
            raise DataError(
                f"target {name}: {len(missing)} of {len(table)} rows of the {split} split have no finite value "
                f"(rows {rows}{', ...' if len(missing) > 5 else ''}); fill them, or set `data.drop_missing_target: true`"
            )
        usable &= known
    if usable.all():
        return table
    listener.line(f"{split}: {int((~usable).sum())} of {len(table)} rows left out, they have no target")
    return table.filter(pa.array(usable))
