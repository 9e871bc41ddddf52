"""Write a recipe for data of one's own: a complete one, decided from the rows, that trains without edits."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlw.errors import DataError
from dlw.progress import Listener, Silent
from dlw.recipe.schema import Recipe
from dlw.sources._files import split_of
from dlw.verbs._new import layout, measuring
from dlw.verbs._new.drafting import AHEAD, Draft, draft
from dlw.verbs._new.networks import network
from dlw.verbs._new.readings import Facts, choose, look
from dlw.verbs._new.sizing import Network, Sizes
from dlw.verbs._new.writing import write
from dlw.verbs._rows import load_tables
from dlw.verbs._sources import open_source

if TYPE_CHECKING:
    import pyarrow as pa


FEW_PARAGRAPHS = 20
"""A text of fewer is cut into lines: validation and test are to have some of both."""


def new(
    data: Path,
    *,
    target: str | Sequence[str] | None = None,
    task: str | None = None,
    folder: Path = Path(),
    file: Path | None = None,
    listener: Listener | None = None,
) -> str:
    """Return the text of a recipe for `data` that is meant to lie in `folder` as `file`, else named after the data.

    `target` are the columns to learn and `task` what to do with them, where the data alone do not say. Raises DataError
    if the rows cannot be read or learned, UsageError that lists what to say where several readings fit.
    """
    listener = listener or Silent()
    if not data.exists():
        raise DataError(f"{data}: no such file or folder")
    path = str(data) if data.is_absolute() else Path(os.path.relpath(data, folder)).as_posix()
    targets = [target] if isinstance(target, str) else list(target or ())
    with tempfile.TemporaryDirectory(prefix="dlw-new-") as temporary:
        cache = Path(temporary)
        source, tables = _opened(layout.find(data, path), folder, cache, listener)
        facts = look(data, source, tables)
        reading = choose(facts, targets, task)
        made = draft(facts, reading)
        if not made.inputs:
            told = "; ".join(made.left_out.values())
            raise DataError(f"{data}: no column to learn {', '.join(reading.targets) or 'from'} from ({told})")
        train = load_tables(_recipe(made), folder, cache, listener, sys.maxsize)["train"]
        made = _with_masks(made, train, data)
        found = network(reading.task, made.inputs, _sizes(facts, made, train))
    made = _with_pictures(made, found)
    name = _allowed(file.stem) if file else _name(data)
    place = str(file or f"{name}.yaml")
    return write(name, place, path, len(train), made, found, {"type": reading.task, **found.task})


def _opened(
    source: str | dict[str, Any], folder: Path, cache: Path, listener: Listener
) -> tuple[str | dict[str, Any], dict[str, pa.Table]]:
    """Return the source and its rows; a text of hardly any paragraphs is read line by line."""
    tables = open_source(_block(source), folder, cache, listener)
    if isinstance(source, dict) and source["type"] == "text" and len(tables.get("train", ())) < FEW_PARAGRAPHS:
        source = {**source, "rows": "lines"}
        tables = open_source(_block(source), folder, cache, listener)
    return source, tables


def _block(source: str | dict[str, Any]) -> Any:
    from dlw.recipe.schema import Block

    return Block.model_validate(source) if isinstance(source, dict) else source


def _recipe(made: Draft) -> Recipe:
    """Return a recipe that loads the rows of a draft; the network in it is never built."""
    tree = {"name": "new", "task": made.reading.task, "model": "mlp", "data": _followed(made.data())}
    return Recipe.model_validate(tree)


def _followed(data: dict[str, Any]) -> dict[str, Any]:
    """Put the number in place of a reference to it, as composing does."""
    blocks = {name: dict(block) for name, block in data["target"].items()}
    for block in blocks.values():
        if block.get("length") == AHEAD:
            block["length"] = data["source"]["ahead"]
    return {**data, "target": blocks}


def _with_masks(made: Draft, train: pa.Table, data: Path) -> Draft:
    target = {name: dict(block) for name, block in made.target.items()}
    why = made.reading.why
    for name, block in target.items():
        if block["type"] == "mask":
            options, told = measuring.mask(train[name], name, data)
            block |= options
            why = f"{why}, {told}"
    return replace(made, target=target, reading=replace(made.reading, why=why))


def _sizes(facts: Facts, made: Draft, train: pa.Table) -> Sizes:
    pictures = [name for name, block in made.inputs.items() if block["type"] == "image"]
    sounds = [name for name, block in made.inputs.items() if block["type"] == "sound"]
    targets = tuple(facts.columns[name] for name in made.reading.targets)
    series = [name for name, block in made.inputs.items() if block["type"] == "series"]
    length = made.source.get("length") if isinstance(made.source, dict) else None
    return Sizes(
        rows=len(train),
        picture=measuring.picture(train[pictures[0]], pictures[0]) if pictures else None,
        seconds=measuring.seconds(train[sounds[0]], sounds[0]) if sounds else 0.0,
        targets=targets,
        steps=int(length or 30) if series else 1,
        is_log=facts.log is not None,
        is_plain_text=facts.is_plain_text,
    )


def _with_pictures(made: Draft, found: Network) -> Draft:
    """Write the size of pictures into their field, so that it can be changed."""
    inputs: Mapping[str, Mapping[str, Any]] = {
        name: {**block, **found.picture} if block["type"] == "image" else block for name, block in made.inputs.items()
    }
    return replace(made, inputs=inputs)


def _name(data: Path) -> str:
    path = data.resolve()
    stem = path.parent.name if split_of(Path(path.name)) else path.name.split(".")[0]
    return _allowed(stem)


def _allowed(stem: str) -> str:
    """Return a stem in the letters that a recipe's name may have."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:100] or "new"
