"""Numbers: float32 in the user's units, NaN where missing.

Text is accepted where every value of it reads as a number. An input that is constant or empty in the training split is
dropped with a warning. The network gets mean, standard deviation and 65 quantiles of the training split.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from dlw.errors import DataError
from dlw.fields._base import Encoded, FieldSettings, Role, State
from dlw.fields._columns import family, in_float32, to_floats
from dlw.fields._statistics import describe, nothing
from dlw.specs import FieldSpec

if TYPE_CHECKING:
    import pyarrow as pa

KIND = "number"


class Settings(FieldSettings):
    """Options of a number column."""

    missing: list[float] = Field([], description="Values that mean missing, such as -999.")
    infinite: Literal["refuse", "missing"] = Field("refuse", description="Infinite values: an error, or missing.")


@dataclass(frozen=True)
class Number:
    """One number column."""

    settings: Settings
    name: str
    role: Role

    def fit(self, values: pa.ChunkedArray) -> State:
        """Learn mean, standard deviation and quantiles."""
        numbers = self._read(values)
        known = numbers[~np.isnan(numbers)]
        state: State = {"held": family(values.type)}
        if len(known) == 0 or known.min() == known.max():
            reason = "has no values" if len(known) == 0 else f"is {known[0]:g} in every row"
            if self.role == "target":
                raise DataError(f"target {self.name}: {reason} of the training split; there is nothing to learn")
            return {**state, "dropped": reason}
        return {**state, "statistics": describe(known)}

    def encode(self, values: pa.ChunkedArray, state: State) -> Encoded:
        """Turn values into float32 [N, 1]."""
        if "dropped" in state:
            return Encoded(np.zeros((len(values), 0), np.float32), {})
        if state["held"] != "text" and family(values.type) == "text":
            numbers = self._changed(values, state)
        else:
            numbers = self._read(values)
        bad = {}
        if self.role == "target":
            bad = {int(row): f"target {self.name} is missing" for row in np.flatnonzero(np.isnan(numbers))}
            numbers = np.nan_to_num(numbers, nan=0.0)
        return Encoded(numbers[:, None], bad)

    def decode(self, array: np.ndarray, state: State) -> list[Any]:
        """Turn float32 [N, 1] into numbers, None where missing."""
        if "dropped" in state:
            return [None] * len(array)
        return [None if np.isnan(value) else float(value) for value in array[:, 0]]

    def spec(self, state: State) -> FieldSpec:
        """Describe one column with its statistics."""
        if "dropped" in state:
            return nothing(KIND)
        statistics = {key: [value] for key, value in state["statistics"].items()}
        return FieldSpec(KIND, (1,), "float32", columns=(self.name,), statistics=statistics)

    def _read(self, values: pa.ChunkedArray) -> np.ndarray:
        numbers = to_floats(values, self.name)
        if self.settings.missing:
            numbers = np.where(np.isin(numbers, self.settings.missing), np.nan, numbers)
        if self.settings.infinite == "missing":
            numbers = np.where(np.isinf(numbers), np.nan, numbers)
        return in_float32(numbers, self.name)

    def _changed(self, values: pa.ChunkedArray, state: State) -> np.ndarray:
        try:
            return self._read(values)
        except DataError as error:
            raise DataError(
                f"column {self.name}: held {state['held']} in training and holds text now: {error}"
            ) from error


build = Number
