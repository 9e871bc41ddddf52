"""The contract of a field: one kind of raw value, turned once into one compact array.

A plug-in file holds a docstring, the constant `KIND` (see specs.FieldSpec), a frozen pydantic `Settings`, and
`build(settings, name, role)`, where `role` is "input" or "target". A field that lies on a picture (a mask, boxes) sets
`FOLLOWS = "image"`, one of items that follow those of an input `FOLLOWS = "tokens"`; its `fit` and `encode` take the
recipe's one input column of that kind as the last argument, a Beside. Where `takes_over` of its settings names an
input column, `fit` takes what that one learned as the last argument. Fields use
numpy, pyarrow and at most Pillow or soundfile, never torch: an exported bundle predicts with them alone. A field that
needs an extra names package and extra in `NEEDS`: without it, its recipes are refused before any data is read. pyarrow
and Pillow are imported inside functions, so that checking a recipe does not wait for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from pydantic import BaseModel, ConfigDict

from dlw.specs import FieldSpec

if TYPE_CHECKING:
    import pyarrow as pa

Role = Literal["input", "target", "prompt"]
"""What a column is for; a prompt is an input that a network goes on with: what matters is its end."""
State = dict[str, Any]
"""What a field learned from the training split: JSON-able, stored in fields.json.

Two keys mean the same in every field: `dropped` holds the reason why an input carries nothing to learn from (its spec
has the shape (0,) and its array no columns); `notes` holds sentences for the user that are told once and not stored."""


class FieldSettings(BaseModel):
    """Base of every field's Settings: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @property
    def takes_over(self) -> str | None:
        """The input column whose state `fit` builds on, None for a field that learns from its own values alone."""
        return None


class Beside(NamedTuple):
    """The input column that a field follows: its raw values row by row, what it learned, its settings."""

    values: pa.ChunkedArray
    state: State
    settings: Mapping[str, Any]


class Encoded(NamedTuple):
    """One column as an array with rows on the first axis.

    `bad` maps a row to the reason it cannot be used (a picture that does not open); the array holds zeros there.
    `notes` are complete sentences for the user, at most one per kind of event ("3 values never seen in training").
    """

    array: np.ndarray
    bad: dict[int, str]
    notes: tuple[str, ...] = ()


class Field(Protocol):
    """A field bound to its settings and column name; raises DataError naming column, row and value.

    Rows are counted from 0 in the values given.
    """

    def fit(self, values: pa.ChunkedArray) -> State:
        """Learn from the training split's values and return a JSON-able state."""
        ...

    def encode(self, values: pa.ChunkedArray, state: State) -> Encoded:
        """Turn raw values into an array of the spec's dtype and shape [rows, *spec.shape]; never fits."""
        ...

    def decode(self, array: np.ndarray, state: State) -> list[Any]:
        """Turn an encoded array back into plain Python values, one per row."""
        ...

    def spec(self, state: State) -> FieldSpec:
        """Describe the encoded array to the network."""
        ...


class LastReply(NamedTuple):
    """What was said in the conversation of a row before the assistant's last turn, as messages, and what it said."""

    row: int
    before: list[dict[str, str]]
    said: str


@runtime_checkable
class Conversations(Protocol):
    """A field whose values are conversations with an assistant."""

    def last_replies(self, values: pa.ChunkedArray) -> list[LastReply]:
        """Return the last reply of each conversation in which the assistant answers anything."""
        ...
