"""Lists of ids in the order of time (what a user took so far): lists, or text with blanks between the ids.

int32 per step, the id's place in the list of known ones from 1. Ids that training never saw are left out, and told;
a missing list is an empty one. Records {id, title} give the ids names to answer with.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from dlw.errors import DataError
from dlw.fields._base import Encoded, FieldSettings, Role, State
from dlw.fields._identities import describe, read_lists
from dlw.fields._words import in_order
from dlw.ragged import lengths, stack
from dlw.specs import FieldSpec

if TYPE_CHECKING:
    import pyarrow as pa

KIND = "tokens"


class Settings(FieldSettings):
    """Options of a column of ids."""

    min_count: int = Field(1, ge=1, le=10**9, description="Times an id must occur in training; rarer ones are unknown.")
    max_length: int = Field(10_000, ge=1, le=2**20, description="Steps that are kept: the last ones.")


@dataclass(frozen=True)
class Identities:
    """One column of lists of ids."""

    settings: Settings
    name: str

    def fit(self, values: pa.ChunkedArray) -> State:
        """Learn the ids, how often each occurs and what it is called."""
        rows, titles = read_lists(values, self.name)
        counts = Counter(text for row in rows for text in row if text)
        labels = in_order([text for text, count in counts.items() if count >= self.settings.min_count])
        if not labels:
            raise DataError(f"column {self.name}: no id occurs {self.settings.min_count} times in training")
        known = set(labels)
        longest = min(max(sum(text in known for text in row) for row in rows), self.settings.max_length)
        return {
            "labels": labels,
            "counts": [counts[text] for text in labels],
            "titles": [titles.get(text, text) for text in labels] if titles else [],
            "length": longest,
        }

    def encode(self, values: pa.ChunkedArray, state: State) -> Encoded:
        """Turn lists into int32 [N, T]."""
        places = {text: place for place, text in enumerate(state["labels"], start=1)}
        rows = [[text for text in row if text] for row in read_lists(values, self.name)[0]]
        known = [[places[text] for text in row if text in places] for row in rows]
        unseen = sum(map(len, rows)) - sum(map(len, known))
        kept = [np.array(row[-self.settings.max_length :], np.int32) for row in known]
        note = f"column {self.name}: {unseen} ids were not seen in training and are left out"
        return Encoded(stack(kept, KIND, "int32"), {}, (note,) if unseen else ())

    def decode(self, array: np.ndarray, state: State) -> list[Any]:
        """Turn arrays back into lists of ids."""
        steps = lengths(array, KIND)
        return [
            [state["labels"][place - 1] for place in row[:count].tolist()]
            for row, count in zip(array, steps, strict=True)
        ]

    def spec(self, state: State) -> FieldSpec:
        """Describe the steps; the labels name the ids from 1 on."""
        return describe(state)


def build(settings: Settings, name: str, role: Role) -> Identities:
    """Bind the settings to a column; DataError where it is to be answered."""
    if role == "target":
        raise DataError(f"column {name}: as a target, make it `following`: the items that follow those of an input")
    return Identities(settings, name)
