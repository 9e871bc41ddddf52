"""What each column of the training rows holds, as an input and as something to learn."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw.columns import is_list, to_cells, to_codes
from dlw.errors import DataError
from dlw.fields._columns import family, to_floats
from dlw.verbs import _inference

if TYPE_CHECKING:
    import pyarrow as pa

MAX_CLASSES_OF_NUMBERS = 20
"""Whole numbers of at most this many values are taken for classes."""
DELIMITERS = ("|", ";", ",")
RARE = 4
"""A class of fewer rows may be missing from the training split; the target then accepts classes of one row."""
MEDIA = ("image", "sound")
_SMILES = re.compile(r"[A-Za-z0-9@+\-\[\]()=#$%/\\.:*]+")
_NAME_OF_MASK = re.compile(r"(^|_)(mask|segmentation|annotation)s?$", re.IGNORECASE)


@dataclass(frozen=True)
class Column:
    """One column. `kind` is the word of the field that reads it best, empty where none does, then with a `reason`."""

    name: str
    kind: str
    block: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    codes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    words: tuple[Any, ...] = ()

    @property
    def counts(self) -> np.ndarray:
        """How often each value occurs, [len(words)]."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.words))


def describe(table: pa.Table) -> dict[str, Column]:
    """Return what each column holds."""
    blocks, reasons = _inference.examine(table, ())
    found = {
        name: _column(name, table[name], blocks[name].type if name in blocks else "", reasons.get(name, ""))
        for name in table.column_names
    }
    pictures = [name for name, column in found.items() if column.kind == "image"]
    for name in pictures if len(pictures) > 1 else ():
        if _NAME_OF_MASK.search(name):
            found[name] = Column(name, "mask")
    return found


def _column(name: str, values: pa.ChunkedArray, kind: str, reason: str) -> Column:
    import pyarrow as pa

    if family(values.type) == "text" and (media := _inference.field_of_files(values)):
        return Column(name, media)
    if kind in MEDIA:
        return Column(name, kind)
    inner = values.type
    if is_list(inner) or pa.types.is_struct(inner):
        item = inner.value_type if is_list(inner) else inner
        names = {item.field(place).name for place in range(item.num_fields)} if pa.types.is_struct(item) else set()
        if "bbox" in names:
            return Column(name, "boxes")
        if {"role", "content"} <= names and is_list(inner):
            return Column(name, "messages")
        return _cells(name, values, reason)
    if family(inner) in ("pictures", "records"):
        return Column(name, "", reason=reason)
    codes, words = to_codes(values)
    options: dict[str, Any] = {}
    if kind == "category":
        options = {"min_count": _inference.RARE} if len(words) > _inference.MANY_CATEGORIES else {}
    elif kind == "number" and np.isinf(to_floats(values, name)).any():
        options = {"infinite": "missing"}
    if family(inner) == "text" and _is_smiles(name, words):
        kind, reason = "molecule", ""
    return Column(name, kind, options, reason, codes, tuple(words))


def _cells(name: str, values: pa.ChunkedArray, reason: str) -> Column:
    """Lists of fractions, of records or of lists are series; lists of words or whole numbers are labels."""
    import pyarrow as pa

    inner = values.type.value_type if is_list(values.type) else None
    if inner is None:
        return Column(name, "", reason=reason)
    if not any(len(chunk.flatten()) for chunk in values.chunks):
        return Column(name, "", reason="it has no values")
    cells = None if pa.types.is_integer(inner) or pa.types.is_string(inner) else to_cells(values)
    known = [row for row in cells.rows if row is not None and len(row)] if cells else []
    if not known:
        return Column(name, "labels", reason="each row lists any number of labels")
    if not is_list(inner):
        return Column(name, "series")
    # Channels are as many in every row; steps may differ.
    outer = {row.shape[0] for row in known}
    layout = {"layout": "channels"} if len(outer) == 1 and known[0].shape[0] < 64 else {}
    return Column(name, "series", layout)


def _is_smiles(name: str, words: list[Any]) -> bool:
    known = [str(word) for word in words if word]
    if len(known) < 3 or not all(map(_SMILES.fullmatch, known)):
        return False
    bonded = sum(any(sign in word for sign in "()=#") and any(letter in word for letter in "CNOcno") for word in known)
    return "smiles" in name.lower() or bonded > 0.5 * len(known)


@dataclass(frozen=True)
class Learnable:
    """How a column is learned: the task, the target's field, and the reason in words."""

    task: str
    block: Mapping[str, Any]
    why: str


def learnable(column: Column, values: pa.ChunkedArray) -> Learnable:
    """Return how a column would be learned; DataError where this version does not learn such a column."""
    if column.kind == "labels":
        return Learnable("classification", {"type": "labels"}, "each row lists any number of labels")
    if column.kind == "boxes":
        return Learnable("detection", {"type": "boxes"}, "objects with their boxes")
    if column.kind == "mask":
        return Learnable("segmentation", {"type": "mask"}, "the class of each pixel")
    what = family(values.type)
    if what not in ("text", "numbers", "truth values"):
        raise DataError(f"target {column.name}: {what} ({values.type}) are not something this version learns")
    words, counts = list(column.words), column.counts
    try:
        numbers = to_floats(values, column.name)
        known = numbers[~np.isnan(numbers)]
        if len(words) > MAX_CLASSES_OF_NUMBERS or (known != np.round(known)).any():
            return Learnable("regression", {"type": "number"}, f"{len(words):,} different numbers")
    except DataError:
        pass  # words: classes or texts, then
    for delimiter in DELIMITERS if what == "text" else ():
        parts = {part.strip() for word in words for part in word.split(delimiter)}
        if len(parts) < len(words) and sum(delimiter in word for word in words) > len(words) / 2:
            block = {"type": "labels", "delimiter": delimiter}
            return Learnable("classification", block, f"each row lists labels, with {delimiter!r} between them")
    if len(words) > max(MAX_CLASSES_OF_NUMBERS, int(counts.sum()) // 2):
        return Learnable("", {"type": "text"}, f"{len(words):,} different texts in {counts.sum():,} rows")
    rare = {"min_count": 1} if len(counts) and counts.min() < RARE else {}
    return Learnable("classification", {"type": "category", **rare}, f"{len(words):,} classes")


def is_flag(column: Column) -> bool:
    """Tell whether a column says yes, no or nothing: 0, 1 and gaps."""
    return column.kind == "number" and set(column.words) == {0, 1}
