"""Write a recipe for data of one's own: a complete one, decided from the rows, that trains without edits."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw.columns import to_codes
from dlw.errors import DataError, UsageError, did_you_mean
from dlw.fields._columns import family, to_floats
from dlw.progress import Listener, Silent
from dlw.recipe.schema import Block, Recipe
from dlw.sources._files import split_of
from dlw.verbs import _inference
from dlw.verbs._rows import load_tables
from dlw.verbs._sources import open_source

if TYPE_CHECKING:
    import pyarrow as pa

MAX_CLASSES_OF_NUMBERS = 20
"""Whole numbers of at most this many values are taken for classes."""
DELIMITERS = ("|", ";", ",")
LONGEST_SIDE = 96
"""Larger pictures are scaled down, so that a first network trains in minutes on a CPU."""
RARE = 4
"""A class of fewer rows may be missing from the training split; the target then accepts classes of one row."""
TABLE_STEPS = 3000
PICTURES_SEEN = 120_000
TEXTS_SEEN = 60_000
"""How long a first training lasts: steps for a table, pictures or texts for their networks; minutes on a CPU."""
_PLAIN_WORD = re.compile(r"^(\.{0,2}/)*[A-Za-z_][A-Za-z0-9_./-]*$")
_NOT_PLAIN = frozenset({"true", "false", "null", "yes", "no", "on", "off"})


@dataclass(frozen=True)
class Answers:
    """What was found out about the data."""

    target: str
    target_block: dict[str, Any]
    task: str
    why: str
    num_missing: int
    splits: dict[str, Any] | None
    inputs: dict[str, Block]
    reasons: dict[str, str]
    num_rows: int


def new(data: Path, *, target: str | None = None, folder: Path = Path(), listener: Listener | None = None) -> str:
    """Return the text of a recipe for `data` that learns `target` and is meant to lie in `folder`.

    Raises DataError if the rows cannot be read, UsageError if the target is not one of their columns.
    """
    listener = listener or Silent()
    if not data.exists():
        raise DataError(f"{data}: no such file or folder")
    source = str(data) if data.is_absolute() else Path(os.path.relpath(data, folder)).as_posix()
    with tempfile.TemporaryDirectory(prefix="dlw-new-") as cache:
        tables = open_source(source, folder, Path(cache), listener)
        if "train" not in tables:
            raise DataError(f"{data}: no training rows; it has {', '.join(tables)}")
        target = _target(target, tables["train"])
        block, why = _target_block(target, tables["train"][target])
        splits = _splits(tables, block["type"])
        num_missing = sum(_num_missing(table[target]) for table in tables.values() if target in table.column_names)
        draft = _draft(source, target, block, splits, num_missing)
        train = load_tables(draft, folder, Path(cache), listener)["train"]
        inputs, reasons = _inference.examine(train, {target})
        inputs, reasons = _one_modality(inputs, reasons)
        if not inputs:
            raise DataError(f"{data}: no column to learn {target} from ({'; '.join(reasons.values())})")
        inputs = {name: _sized(name, block, train) for name, block in inputs.items()}
    task = "regression" if block["type"] == "number" else "classification"
    answers = Answers(target, block, task, why, num_missing, splits, inputs, reasons, len(train))
    return _write(_name(data), source, answers)


def _target(target: str | None, train: pa.Table) -> str:
    columns = train.column_names
    if target is None and "label" in columns and any(family(train[name].type) == "pictures" for name in columns):
        return "label"
    if target is None:
        raise UsageError(f"name the column to learn with --target; there are {', '.join(columns[:30])}")
    if target not in columns:
        near = did_you_mean(target, columns)
        raise UsageError(f"--target {target}: no such column{near} (there are {', '.join(columns[:30])})")
    return target


def _target_block(name: str, values: pa.ChunkedArray) -> tuple[dict[str, Any], str]:
    """Return the target's field and the reason in words."""
    what = family(values.type)
    if what == "lists":
        return {"type": "labels"}, "each row lists any number of labels"
    codes, words = to_codes(values)
    counts = np.bincount(codes[codes >= 0], minlength=len(words))
    if what in ("text", "numbers"):
        try:
            numbers = to_floats(values, name)
            known = numbers[~np.isnan(numbers)]
            if len(words) > MAX_CLASSES_OF_NUMBERS or (known != np.round(known)).any():
                return {"type": "number"}, f"{len(words)} different numbers"
        except DataError:
            pass  # words: classes, then
    if what not in ("text", "numbers", "truth values"):
        raise DataError(f"target {name}: {what} ({values.type}) are not something this version learns")
    for delimiter in DELIMITERS if what == "text" else ():
        parts = {part.strip() for word in words for part in word.split(delimiter)}
        if len(parts) < len(words) and sum(delimiter in word for word in words) > len(words) / 2:
            return {"type": "labels", "delimiter": delimiter}, f"each row lists labels, with {delimiter!r} between them"
    if len(words) > max(MAX_CLASSES_OF_NUMBERS, int(counts.sum()) // 2):
        raise DataError(f"target {name}: {len(words)} different texts in {counts.sum()} rows are not classes")
    rare = {"min_count": 1} if len(counts) and counts.min() < RARE else {}
    return {"type": "category", **rare}, f"{len(words)} classes"


def _num_missing(values: pa.ChunkedArray) -> int:
    return int((to_codes(values)[0] < 0).sum()) if family(values.type) != "lists" else 0


def _splits(tables: Mapping[str, pa.Table], target_type: str) -> dict[str, Any] | None:
    """Return a plan for the splits that the source lacks."""
    kind = "stratified" if target_type == "category" else "random"
    if "validation" in tables:
        return None
    if "test" in tables:
        return {"type": kind, "train": 0.9, "validation": 0.1, "test": 0}
    return {"type": kind, "train": 0.8, "validation": 0.1, "test": 0.1}


def _draft(source: str, target: str, block: dict[str, Any], splits: dict[str, Any] | None, missing: int) -> Recipe:
    data = {"source": source, "target": {target: block}, "splits": splits, "drop_missing_target": missing > 0}
    tree = {"name": "new", "task": "classification", "model": "mlp", "data": data}
    return Recipe.model_validate(tree)


def _one_modality(inputs: dict[str, Block], reasons: dict[str, str]) -> tuple[dict[str, Block], dict[str, str]]:
    """Keep one picture column alone where there is one: the network for pictures reads nothing else."""
    pictures = [name for name, block in inputs.items() if block.type == "image"]
    if not pictures:
        return inputs, reasons
    others = {name: "the network below reads one picture" for name in inputs if name != pictures[0]}
    return {pictures[0]: inputs[pictures[0]]}, {**reasons, **others}


def _sized(name: str, block: Block, train: pa.Table) -> Block:
    """Write the size of pictures and the tokens of texts into their fields, so that they can be changed."""
    if block.type == _inference.TEXT:
        return Block.model_validate({"type": _inference.TEXT, "tokenizer": "words", "lowercase": True})
    if block.type != "image":
        return block
    from dlw import registry

    module = registry.load("fields", "image")
    state = module.build(module.Settings(), name, "input").fit(train[name])
    height, width = state["height"], state["width"]
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    if scale < 1:
        height, width = (max(8, round(side * scale / 8) * 8) for side in (height, width))
    return Block.model_validate({"type": "image", "height": height, "width": width, "channels": state["channels"]})


def _name(data: Path) -> str:
    path = data.resolve()
    stem = path.parent.name if split_of(Path(path.name)) else path.name.split(".")[0]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")
    return name[:100] or "new"


def _write(name: str, source: str, answers: Answers) -> str:
    types = {block.type for block in answers.inputs.values()}
    is_picture = "image" in types
    network = _picture_network if is_picture else _text_network if _inference.TEXT in types else _table_network
    model, train, optimizer = network(answers)
    inputs = [f"    {_word(column)}: {_block(block)}" for column, block in answers.inputs.items()]
    left_out = [f"    # {_word(column)} is left out: {reason}" for column, reason in answers.reasons.items()]
    target = _flow(answers.target_block) if len(answers.target_block) > 1 else answers.target_block["type"]
    lines = [
        f"# Learns {_word(answers.target)} ({answers.why}) from {answers.num_rows:,} training rows of {source}.",
        f"#   dlw train {name}.yaml",
        "recipe: 1",
        f"name: {name}",
        f"task: {answers.task}",
        "seed: 42",
        "data:",
        f"  source: {_word(source)}",
        *_split_lines(answers),
        "  inputs:",
        *inputs,
        *left_out,
        f"  target: {{{_word(answers.target)}: {target}}}",
    ]
    if answers.num_missing:
        lines.append(f"  drop_missing_target: true   # {answers.num_missing} rows have none")
    if is_picture:
        lines.append(
            "  augment: [{type: random_crop, padding: 2}]   # add {type: horizontal_flip} if left and right are alike"
        )
    lines += [
        f"model: {model}   # `dlw list models` shows the others",
        f"optimizer: {optimizer}",
        "lr_scheduler: {type: one_cycle, warmup_fraction: 0.2}",
    ]
    lines += [
        f"train: {train}",
        "evaluate: {baseline: true}   # a plain method beside the network",
        "export: {format: onnx}",
    ]
    return "\n".join(lines) + "\n"


def _split_lines(answers: Answers) -> list[str]:
    if answers.splits is None:
        return ["  # splits: the data's own"]
    note = "" if answers.splits["test"] else "   # cut from train; the data has its own test split"
    lines = [f"  splits: {_flow(answers.splits)}{note}"]
    times = [name for name, block in answers.inputs.items() if block.type == "timestamp"]
    if times:
        lines.append(f"  # to foretell the future, split by time instead: {{type: time, by: {_word(times[0])}}}")
    return lines


def _table_network(answers: Answers) -> tuple[str, str, str]:
    rows = answers.num_rows
    batch_size = 32 if rows < 2_000 else 128 if rows < 10_000 else 256 if rows < 100_000 else 1024
    epochs = int(np.clip(round(TABLE_STEPS * batch_size / rows), 5, 100))
    size = "width: 128, depth: 2, dropout: 0.2" if rows < 2_000 else "width: 256, depth: 2, dropout: 0.1"
    model = f"{{type: mlp, {size}}}"
    return (
        model,
        _flow({"epochs": epochs, "batch_size": min(batch_size, rows)}),
        "{type: adamw, lr: 2e-3, weight_decay: 0.01}",
    )


def _text_network(answers: Answers) -> tuple[str, str, str]:
    rows = answers.num_rows
    epochs = int(np.clip(round(TEXTS_SEEN / rows), 3, 30))
    model = "{type: ngram_bag, width: 64, token_dropout: 0.3, dropout: 0.5}"
    return (
        model,
        _flow({"epochs": epochs, "batch_size": min(64, rows), "ema_decay": 0.99}),
        "{type: adamw, lr: 5e-3, weight_decay: 0.05}",
    )


def _picture_network(answers: Answers) -> tuple[str, str, str]:
    rows = answers.num_rows
    batch_size = min(64 if rows < 10_000 else 128, rows)
    epochs = int(np.clip(round(PICTURES_SEEN / rows), 6, 40))
    model = "{type: resnet, widths: [32, 64, 128], depths: [1, 1, 1]}"
    return model, _flow({"epochs": epochs, "batch_size": batch_size}), "{type: adamw, lr: 3e-3, weight_decay: 0.05}"


def _word(text: str) -> str:
    """Return text as a YAML scalar, quoted where it must be."""
    return text if _PLAIN_WORD.match(text) and text.lower() not in _NOT_PLAIN else json.dumps(text, ensure_ascii=False)


def _block(block: Block) -> str:
    return _flow({"type": block.type, **block.options}) if block.options else block.type


def _flow(mapping: Mapping[str, Any]) -> str:
    parts = (
        f"{key}: {_word(value) if isinstance(value, str) else json.dumps(value)}" for key, value in mapping.items()
    )
    return "{" + ", ".join(parts) + "}"
