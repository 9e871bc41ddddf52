"""Series: float32 steps x channels in the user's units, NaN where a value is missing; rows may differ in length.

A cell is a list of numbers (one channel), a list of records of numbers (one record a step, its keys name the channels)
or a list of lists; the source `series` cuts such cells from long tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from dlw.columns import Cells, to_cells
from dlw.errors import DataError
from dlw.fields._base import Encoded, FieldSettings, Role, State
from dlw.fields._columns import family
from dlw.ragged import lengths, stack
from dlw.specs import FieldSpec

if TYPE_CHECKING:
    import pyarrow as pa

KIND = "series"

SAMPLED = 4096
"""Training rows, evenly taken, behind the change over a season."""


class Settings(FieldSettings):
    """Options of a column of series."""

    layout: Literal["steps", "channels"] = Field(
        "steps", description="What the outer list of a list of lists holds: steps, or channels."
    )
    length: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Steps of every row: of longer rows the last ones are kept, shorter ones begin with gaps. Default: "
        "as in training; where training rows differ, any.",
    )
    season: int | None = Field(
        None, ge=2, le=100_000, description="Steps after which a target repeats itself about, such as 24 for hours."
    )


@dataclass(frozen=True)
class Series:
    """One column of series."""

    settings: Settings
    name: str
    role: Role

    def fit(self, values: pa.ChunkedArray) -> State:
        """Learn the channels, their mean and deviation, and whether rows differ in length."""
        rows, names = self._read(values)
        wrong = [row for row, array in enumerate(rows) if array is None or not len(array)]
        known = [array for array in rows if array is not None and len(array)]
        if not known:
            raise DataError(f"column {self.name}: holds no series in the training split")
        if self.role == "target" and wrong:
            raise DataError(f"column {self.name}: row {wrong[0]}: no series ({len(wrong)} such rows)")
        counts = {array.shape[1] for array in known}
        if len(counts) > 1:
            raise DataError(f"column {self.name}: {min(counts)} to {max(counts)} channels; every row needs the same")
        steps = [len(array) for array in known]
        statistics = _describe(known)
        if not np.isfinite(statistics["mean"]).all():
            empty = [place for place, mean in enumerate(statistics["mean"]) if not np.isfinite(mean)]
            raise DataError(f"column {self.name}: channel {empty[0]} has no values in the training split")
        if self.settings.season:
            statistics |= self._season(known, statistics["std"])
        named = list(names) or [str(place) for place in range(counts.pop())]
        if not names and len(named) == 1:
            named = [self.name]
        is_ragged = self.settings.length is None and min(steps) < max(steps)
        length = self.settings.length or max(steps)
        return {"channels": named, "length": length, "is_ragged": is_ragged, "statistics": statistics}

    def encode(self, values: pa.ChunkedArray, state: State) -> Encoded:
        """Turn cells into float32 [N, T, C], NaN for gaps and after the end of a shorter row."""
        rows, names = self._read(values)
        channels = len(state["channels"])
        bad: dict[int, str] = {}
        if names and sorted(names) != sorted(state["channels"]):
            raise DataError(f"column {self.name}: channels {list(names)} where training had {state['channels']}")
        order = [names.index(name) for name in state["channels"]] if names else list(range(channels))
        kept: list[np.ndarray] = []
        for row, array in enumerate(rows):
            problem = self._problem(array, state)
            if problem:
                bad[row] = f"column {self.name}: {problem}"
                kept.append(np.zeros((0, channels)))
                continue
            assert array is not None
            kept.append(array[:, order] if names else array)
        with np.errstate(over="ignore"):
            encoded = self._laid_out(kept, state)
        wrong = np.argwhere(np.isinf(encoded))
        if len(wrong):
            row, _, channel = wrong[0]
            raise DataError(
                f"column {self.name}: row {row}: channel {state['channels'][channel]}: a value is infinite or beyond "
                f"what float32 holds (3.4e38) ({len(wrong)} such values); rescale it, or leave it out"
            )
        return Encoded(encoded, bad)

    def decode(self, array: np.ndarray, state: State) -> list[Any]:
        """Turn float32 [N, T, C] into lists of steps, each a list of channels, None where missing."""
        counts = lengths(array, KIND) if state["is_ragged"] else [state["length"]] * len(array)
        decoded = []
        for row, count in zip(array, counts, strict=True):
            steps = [[None if np.isnan(value) else float(value) for value in step] for step in row[:count]]
            is_outer = self.settings.layout == "channels" and steps
            decoded.append([list(channel) for channel in zip(*steps, strict=True)] if is_outer else steps)
        return decoded

    def spec(self, state: State) -> FieldSpec:
        """Describe the array with its channels and their statistics."""
        shape = (state["length"], len(state["channels"]))
        statistics = state["statistics"]
        return FieldSpec(
            KIND,
            shape,
            "float32",
            columns=tuple(state["channels"]),
            statistics=statistics,
            is_ragged=state["is_ragged"],
        )

    def _read(self, values: pa.ChunkedArray) -> tuple[list[np.ndarray | None], tuple[str, ...]]:
        """Return steps x channels per row, None where missing, and the channels' names where the cells tell them."""
        held = family(values.type)
        cells = Cells([None] * len(values), (), ()) if held == "nothing" else to_cells(values)
        if cells is None:
            raise DataError(f"column {self.name}: holds {held} ({values.type}) where lists of numbers are needed")
        if cells.uneven:
            raise DataError(
                f"column {self.name}: row {cells.uneven[0]}: its inner lists differ in length "
                f"({len(cells.uneven)} such rows)"
            )
        if self.settings.layout == "channels":
            if cells.names:
                raise DataError(f"column {self.name}: layout: channels is for lists of lists, these are records")
            return [None if row is None else row.T.copy() for row in cells.rows], ()
        return cells.rows, cells.names

    def _problem(self, array: np.ndarray | None, state: State) -> str:
        if array is None or not array.size:
            return "no series"
        if array.shape[1] != len(state["channels"]):
            return f"{array.shape[1]} channels where training had {len(state['channels'])}"
        if np.isnan(array if state["is_ragged"] else array[-state["length"] :]).all():
            return "all values are missing"
        if not state["is_ragged"] and self.settings.length is None and len(array) != state["length"]:
            return f"{len(array)} steps where every training row had {state['length']}; set `length` to allow others"
        return ""

    def _laid_out(self, rows: list[np.ndarray], state: State) -> np.ndarray:
        """Return float32 [N, T, C]: rows one under another as their spec says."""
        channels, length = len(state["channels"]), state["length"]
        if state["is_ragged"]:
            return stack(rows, KIND, "float32", (channels,))
        encoded = np.full((len(rows), length, channels), np.nan, np.float32)
        for place, array in enumerate(rows):
            last = array[-length:]
            if len(last):
                encoded[place, -len(last) :] = last
        return encoded

    def _season(self, known: list[np.ndarray], std: list[float]) -> dict[str, list[float]]:
        """Return the season and the mean absolute change over it, per channel."""
        season = self.settings.season
        assert season is not None
        taken = [known[row] for row in np.unique(np.linspace(0, len(known) - 1, SAMPLED).astype(np.int64))]
        changes = [np.abs(array[season:] - array[:-season]) for array in taken if len(array) > season]
        if not changes:
            longest = max(map(len, taken))
            raise DataError(f"column {self.name}: season {season} needs more steps, the longest row has {longest}")
        known_changes = np.concatenate(changes)
        if (unknown := np.isnan(known_changes).all(axis=0)).any():
            raise DataError(
                f"column {self.name}: channel {int(unknown.argmax())} has no two values {season} steps apart, a season"
            )
        error = np.nanmean(known_changes, axis=0)
        return {"season": [season] * len(std), "seasonal_error": np.where(error > 0, error, 1.0).tolist()}


def _describe(known: list[np.ndarray]) -> dict[str, list[float]]:
    """Return mean and deviation per channel; a value that many rows share (overlapping windows) counts once."""
    spans: dict[int, tuple[np.ndarray, list[tuple[int, int]]]] = {}
    for array in known:
        base = array.base if isinstance(array.base, np.ndarray) and array.base.shape[1:] == array.shape[1:] else array
        start = (array.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // max(base.strides[0], 1)
        spans.setdefault(id(base), (base, []))[1].append((start, start + len(array)))
    parts = []
    for base, places in spans.values():
        is_used = np.zeros(len(base) + 1, np.int64)
        np.add.at(is_used, [start for start, _ in places], 1)
        np.add.at(is_used, [stop for _, stop in places], -1)
        parts.append(base[is_used[:-1].cumsum() > 0])
    values = np.concatenate(parts)
    count = (~np.isnan(values)).sum(0)
    mean = np.divide(np.nansum(values, 0), count, out=np.full(values.shape[1], np.nan), where=count > 0)
    square = np.nansum((values - mean) ** 2, 0)
    std = np.sqrt(np.divide(square, count, out=np.zeros(values.shape[1]), where=count > 0))
    return {"mean": mean.tolist(), "std": np.where(std > 0, std, 1.0).tolist()}


build = Series
