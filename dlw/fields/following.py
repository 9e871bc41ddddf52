"""What follows the items of the `identities` input beside it: the target of recommendation.

int32 per step, in the ids of that input; one above the highest for an item that training never saw. Of a training row,
step by step the item that follows the history up to there; of a row to be judged, the item that follows all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw.errors import DataError
from dlw.fields._base import Beside, Encoded, FieldSettings, Role, State
from dlw.fields._identities import describe, read_lists
from dlw.ragged import lengths, stack
from dlw.specs import FieldSpec

if TYPE_CHECKING:
    import pyarrow as pa

KIND = "tokens"
FOLLOWS = "tokens"


class Settings(FieldSettings):
    """A column of items that follow; it has no options."""


@dataclass(frozen=True)
class Following:
    """One column of items that follow."""

    name: str

    def fit(self, values: pa.ChunkedArray, beside: Beside) -> State:
        """Take over the items of the histories."""
        if "labels" not in beside.state:
            raise DataError(f"column {self.name}: follows an input of the type identities, and there is none")
        rows = read_lists(values, self.name)[0]
        known = set(beside.state["labels"])
        if not any(text in known for row in rows for text in row):
            raise DataError(f"column {self.name}: holds no item of the histories in training")
        kept = {key: beside.state[key] for key in ("labels", "counts", "titles")}
        return {**kept, "length": max(map(len, rows))}

    def encode(self, values: pa.ChunkedArray, state: State, beside: Beside) -> Encoded:
        """Turn lists into int32 [N, T]; a row without an item cannot be judged."""
        places = {text: place for place, text in enumerate(state["labels"], start=1)}
        unseen = len(places) + 1
        rows = read_lists(values, self.name)[0]
        encoded = [np.array([places.get(text or "", unseen) for text in row], np.int32) for row in rows]
        bad = {place: f"{self.name} holds no item" for place, row in enumerate(rows) if not row}
        return Encoded(stack(encoded, KIND, "int32"), bad)

    def decode(self, array: np.ndarray, state: State) -> list[Any]:
        """Turn arrays back into lists of items, None for one that training never saw."""
        labels = [*state["labels"], None]
        steps = lengths(array, KIND)
        return [[labels[place - 1] for place in row[:count].tolist()] for row, count in zip(array, steps, strict=True)]

    def spec(self, state: State) -> FieldSpec:
        """Describe the steps; the labels name the items from 1 on."""
        return describe(state)


def build(settings: Settings, name: str, role: Role) -> Following:
    """Bind to a column; DataError where it is an input."""
    if role == "input":
        raise DataError(f"column {name}: what follows is a target, not an input")
    return Following(name)
