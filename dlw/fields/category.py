"""Categories: one of a set of values, learned from the training split.

As an input, id 0 is "missing or never seen in training". As a target, the ids are the classes and there is no id 0.
Classes keep the order that the data declares (class label features, ordered categories), else they are sorted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from dlw.errors import DataError
from dlw.fields._base import Encoded, FieldSettings, Role, State
from dlw.fields._columns import family, shown
from dlw.fields._statistics import nothing
from dlw.fields._words import declared_words, in_order, to_words
from dlw.specs import FieldSpec

if TYPE_CHECKING:
    import pyarrow as pa

KIND = "category"
_FIRST_NEW = 2**61
"""Lower ids are those of classes in the training split."""


class Settings(FieldSettings):
    """Options of a category column."""

    min_count: int | None = Field(
        None,
        ge=1,
        le=10**9,
        description="Training rows a value needs. As an input, rarer values count as unknown (default 1); as a target, "
        "a rarer class is an error (default 2).",
    )
    unseen: Literal["refuse", "keep"] | None = Field(
        None,
        description="Of a target, classes that training never saw: refuse such rows, or keep them as classes of their "
        "own; default: as the task asks.",
    )


@dataclass(frozen=True)
class Category:
    """One category column."""

    settings: Settings
    name: str
    role: Role

    def fit(self, values: pa.ChunkedArray) -> State:
        """Learn the values."""
        codes, words = to_words(values, self.name)
        counts = dict(zip(words, np.bincount(codes[codes >= 0], minlength=len(words)).tolist(), strict=True))
        declared = declared_words(values)
        state: State = {"held": family(values.type)}
        if self.role == "target":
            labels = declared or in_order(words)
            return {**state, **self._classes({label: counts.get(label, 0) for label in labels})}
        kept = [
            label for label in declared or in_order(words) if counts.get(label, 0) >= (self.settings.min_count or 1)
        ]
        num_missing = int((codes < 0).sum()) + sum(counts[label] for label in counts.keys() - set(kept))
        if not kept or (len(kept) == 1 and not num_missing):
            return {**state, "dropped": f"is {kept[0]!r} in every row" if kept else "has no values"}
        return {**state, "labels": kept}

    def encode(self, values: pa.ChunkedArray, state: State) -> Encoded:
        """Turn values into ids, int64 [N, 1]."""
        if "dropped" in state:
            return Encoded(np.zeros((len(values), 0), np.int64), {})
        codes, words = to_words(values, self.name)
        first = 0 if self.role == "target" else 1
        ids = {label: place + first for place, label in enumerate(state["labels"])}
        is_open = self.settings.unseen == "keep"
        table = np.array([*(ids.get(text, _new_id(text) if is_open else -1) for text in words), -1], dtype=np.int64)
        encoded = table[codes]
        unseen = (encoded < 0) & (codes >= 0)
        if unseen.any():
            self._check_type(values.type, state, known=bool((encoded >= 0).any()))
        if self.role == "target":
            bad = {
                int(row): f"{self.name} is {words[codes[row]]!r}, a class not in the training split"
                if codes[row] >= 0
                else f"target {self.name} is missing"
                for row in np.flatnonzero(encoded < 0)
            }
            return Encoded(np.maximum(encoded, 0)[:, None], bad)
        return Encoded(np.maximum(encoded, 0)[:, None], {}, self._notes(unseen, codes, words))

    def decode(self, array: np.ndarray, state: State) -> list[Any]:
        """Turn ids [N, 1] into words, None where missing or unknown."""
        if "dropped" in state:
            return [None] * len(array)
        labels = state["labels"] if self.role == "target" else [None, *state["labels"]]
        return [labels[place] if place < len(labels) else None for place in array[:, 0].tolist()]

    def spec(self, state: State) -> FieldSpec:
        """Describe one column of ids."""
        if "dropped" in state:
            return nothing(KIND)
        if self.role == "input":
            return FieldSpec(KIND, (1,), "int64", columns=(self.name,), sizes=(len(state["labels"]) + 1,))
        labels = tuple(state["labels"])
        counts = {"counts": [state["counts"]]}
        return FieldSpec(KIND, (1,), "int64", (self.name,), sizes=(len(labels),), labels=labels, statistics=counts)

    def _classes(self, counts: dict[str, int]) -> State:
        told = ", ".join(f"{label}: {count}" for label, count in list(counts.items())[:20])
        if self.settings.unseen == "keep":
            return {"labels": list(counts), "counts": list(counts.values())}
        if sum(count > 0 for count in counts.values()) < 2:
            raise DataError(
                f"target {self.name}: a classification needs two classes with training rows ({told or 'none'})"
            )
        least = self.settings.min_count or 2
        rare = [label for label, count in counts.items() if 0 < count < least]
        if rare:
            raise DataError(
                f"target {self.name}: too few training rows of {', '.join(map(repr, rare[:5]))} ({told}); at least "
                f"{least} are needed: merge or remove rare classes, or set `min_count: 1` on the target"
            )
        empty = [label for label, count in counts.items() if count == 0]
        notes = [f"target {self.name}: no training row of class {label!r}" for label in empty[:5]]
        return {"labels": list(counts), "counts": list(counts.values()), "notes": notes}

    def _check_type(self, kind: pa.DataType, state: State, known: bool) -> None:
        held = family(kind)
        if held != state["held"] and not known:
            raise DataError(
                f"column {self.name}: held {state['held']} in training and holds {held} now, none of it known"
            )

    def _notes(self, unseen: np.ndarray, codes: np.ndarray, words: list[str]) -> tuple[str, ...]:
        if not unseen.any():
            return ()
        row = int(np.flatnonzero(unseen)[0])
        return (
            f"column {self.name}: {int(unseen.sum())} of {len(codes)} values were not seen in training and count as "
            f"unknown (first: row {row}, {shown(words[codes[row]])})",
        )


def _new_id(word: str) -> int:
    """Return the id of a class that training never saw: the same in every table, above all ids of known classes."""
    digest = hashlib.blake2b(word.encode("utf-8", "backslashreplace"), digest_size=8).digest()
    return int.from_bytes(digest) >> 2 | _FIRST_NEW


def build(settings: Settings, name: str, role: Role) -> Category:
    """Bind the settings to a column; DataError where they have no effect on it."""
    if role == "input" and settings.unseen is not None:
        raise DataError(f"column {name}: `unseen` is for targets; an input counts such values as unknown")
    return Category(settings, name, role)
