"""Labels: any number of labels per row, as a list column, as text with a delimiter, or as one yes/no column.

int8 per label: 1 yes, 0 no, -1 not known. A yes/no column (1/0, true/false, yes/no, empty) is one label named after the
column; several of them as targets make a multi-label task with gaps. A missing list is not known; an empty one is
"none of them".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from dlw.columns import one_array
from dlw.errors import DataError
from dlw.fields._base import Encoded, FieldSettings, Role, State
from dlw.fields._columns import family, row_told, shown
from dlw.fields._words import in_order, to_words, word
from dlw.specs import FieldSpec

if TYPE_CHECKING:
    import pyarrow as pa

KIND = "labels"
_YES = frozenset({"1", "true", "yes", "y", "t"})
_NO = frozenset({"0", "false", "no", "n", "f"})


class Settings(FieldSettings):
    """Options of a labels column."""

    delimiter: str | None = Field(
        None, min_length=1, max_length=8, description="Between the labels of a text column; lists need none."
    )
    min_count: int = Field(1, ge=1, le=10**9, description="Training rows a label needs; rarer ones are left out.")


@dataclass(frozen=True)
class Labels:
    """One column of labels."""

    settings: Settings
    name: str
    role: Role

    def fit(self, values: pa.ChunkedArray) -> State:
        """Learn the labels."""
        held = family(values.type)
        if not self._is_many(held):
            encoded = self._flags(values)
            counts = [[int((encoded == answer).sum()) for answer in (0, 1, -1)]]
            if self.role == "target" and 0 in counts[0][:2]:
                raise DataError(
                    f"target {self.name}: needs rows of both answers (no: {counts[0][0]}, yes: {counts[0][1]})"
                )
            return {"held": held, "labels": [self.name], "counts": counts, "many": False}
        rows, words, known = self._lists(values)
        found = {text: len(set(rows[code])) for code, text in enumerate(words)}
        labels = [text for text in in_order(list(found)) if found[text] >= self.settings.min_count]
        if not labels:
            raise DataError(f"column {self.name}: no label has {self.settings.min_count} training rows")
        num_known = int(known.sum())
        counts = [[num_known - found[text], found[text], len(known) - num_known] for text in labels]
        return {"held": held, "labels": labels, "counts": counts, "many": True}

    def encode(self, values: pa.ChunkedArray, state: State) -> Encoded:
        """Turn values into int8 [N, L]."""
        if not state["many"]:
            return Encoded(self._flags(values)[:, None], {})
        held = family(values.type)
        if not self._is_many(held) and held != "nothing":
            raise DataError(f"column {self.name}: held {state['held']} in training and holds {held} now")
        rows, words, known = self._lists(values)
        places = {text: place for place, text in enumerate(state["labels"])}
        array = np.where(known, 0, -1).astype(np.int8)[:, None].repeat(len(places), axis=1)
        unseen = 0
        for code, text in enumerate(words):
            if text in places:
                array[rows[code], places[text]] = 1
            else:
                unseen += len(rows[code])
        note = f"column {self.name}: {unseen} labels were not learned in training and are ignored"
        return Encoded(array, {}, (note,) if unseen else ())

    def decode(self, array: np.ndarray, state: State) -> list[Any]:
        """Turn int8 [N, L] into lists of labels (a yes/no column: truth values), None where not known."""
        if not state["many"]:
            return [None if value < 0 else bool(value) for value in array[:, 0]]
        labels = state["labels"]
        return [None if (row < 0).all() else [labels[place] for place in np.flatnonzero(row == 1)] for row in array]

    def spec(self, state: State) -> FieldSpec:
        """Describe one entry per label."""
        labels = tuple(state["labels"])
        columns = labels if not state["many"] else tuple(f"{self.name}={label}" for label in labels)
        counts = {"counts": state["counts"]}
        return FieldSpec(KIND, (len(labels),), "int8", columns, labels=labels, statistics=counts)

    def _is_many(self, held: str) -> bool:
        return held == "lists" or (self.settings.delimiter is not None and held in ("text", "numbers"))

    def _flags(self, values: pa.ChunkedArray) -> np.ndarray:
        """Return int8 [N] of a yes/no column."""
        codes, words = to_words(values, self.name)
        table = np.full(len(words) + 1, -1, np.int8)
        for code, text in enumerate(words):
            if text.strip().lower() not in _YES | _NO:
                row = int(np.flatnonzero(codes == code)[0])
                raise DataError(
                    f"column {self.name}: {row_told(row)}: {shown(text)} is neither yes nor no (1/0, true/false, "
                    "yes/no, empty); give lists, or a `delimiter`"
                )
            table[code] = text.strip().lower() in _YES
        return table[codes]

    def _lists(self, values: pa.ChunkedArray) -> tuple[list[list[int]], list[str], np.ndarray]:
        """Return for each distinct label its rows, the labels, and which rows are known, bool [N]."""
        places: dict[str, int] = {}
        rows: list[list[int]] = []
        lists = one_array(values).to_pylist()
        for row, items in enumerate(lists):
            if items is not None and not isinstance(items, list):  # a number is one label
                items = [part.strip() for part in word(items).split(self.settings.delimiter)]
            for item in items or ():
                text = word(item) if item is not None else ""
                if text:
                    place = places.setdefault(text, len(places))
                    if place == len(rows):
                        rows.append([])
                    rows[place].append(row)
        return rows, list(places), np.array([items is not None for items in lists], dtype=bool)


build = Labels
