"""Recordings on their timelines: rows sorted, absent moments as empty places, each place of a split.

Shape legend: N rows, P places, R recordings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dlw.errors import DataError
from dlw.sources._files import SPLITS, Split
from dlw.sources._recordings import check_moments, extents, numbers

if TYPE_CHECKING:
    import pyarrow as pa

NO_SPLIT = len(SPLITS)
LEAST_SPREAD = 1e-3
FARTHEST = 20.0
"""Deviations: a recording that began as a constant would outweigh all others."""
ROUND = 1e-3
"""Share of a step by which a moment may miss its place."""
MOST_GAPS = 100
"""Places per row: a wrong step would fill the memory with gaps."""


@dataclass(frozen=True)
class Timeline:
    """A table sorted by recording and time; `row_P` is the row of each place, -1 where there is none."""

    table: pa.Table
    by: str | None
    row_P: np.ndarray
    start_P: np.ndarray
    """First place of the recording."""
    stop_P: np.ndarray
    """Place after its last one."""
    split_P: np.ndarray
    """Position in SPLITS, NO_SPLIT for none."""

    @property
    def recording(self) -> np.ndarray:
        """Number of the recording of each place [P], rising from 0."""
        return np.unique(self.start_P, return_inverse=True)[1]

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Return values [N, ...] at their places [P, ...], NaN where there is no row."""
        spread = values[self.row_P]
        spread[self.row_P < 0] = np.nan
        return spread

    def relative(self, values_P: np.ndarray, first: int) -> np.ndarray:
        """Return values [P] by mean and deviation of the first known ones of their recording, held within FARTHEST; a
        deviation of nearly 0 counts as a thousandth of the mean.
        """
        relative_P = np.full(len(values_P), np.nan)
        for start, stop in np.unique(np.stack([self.start_P, self.stop_P], axis=1), axis=0):
            own = values_P[start:stop]
            known = own[~np.isnan(own)][:first]
            if len(known):
                mean = known.mean()
                spread = max(float(known.std()), LEAST_SPREAD * max(abs(mean), LEAST_SPREAD))
                relative_P[start:stop] = ((own - mean) / spread).clip(-FARTHEST, FARTHEST)
        return relative_P


def timeline(table: pa.Table, split: str, by: str | None, order: str, step: float | None) -> Timeline:
    """Sort a table by recording and time; with a `step`, absent moments become places without a row."""
    table = table.sort_by([*([(by, "ascending")] if by is not None else []), (order, "ascending")])
    if by is None:
        start_N, stop_N = np.zeros(len(table), np.int64), np.full(len(table), len(table))
    else:
        start_N, stop_N = extents(table[by])
    row_P = np.arange(len(table))
    if step is not None:
        place_N = _places(table, split, order, step, start_N)
        shift_N = np.concatenate([[0], np.cumsum((place_N[stop_N - 1] + 1)[start_N == row_P])])
        recording_N = np.unique(start_N, return_inverse=True)[1]
        row_P = np.full(shift_N[-1], -1)
        row_P[place_N + shift_N[recording_N]] = np.arange(len(table))
        sizes = np.diff(shift_N)
        start_N, stop_N = np.repeat(shift_N[:-1], sizes), np.repeat(shift_N[1:], sizes)
    return Timeline(table, by, row_P, start_N, stop_N, np.full(len(row_P), NO_SPLIT))


def _places(table: pa.Table, split: str, order: str, step: float, start_N: np.ndarray) -> np.ndarray:
    """Return how many steps after the first of its recording each row lies."""
    moment_N = _moments(table, split, order)
    exact_N = (moment_N - moment_N[start_N]) / step
    place_N = exact_N.round().astype(np.int64)
    wrong = np.flatnonzero((np.abs(exact_N - place_N) > ROUND) | ((np.diff(place_N, prepend=-1) <= 0) & (place_N > 0)))
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"{split}: column {order}: {table[order][row].as_py()} is {exact_N[row]:.6g} steps of {step:g} after the "
            f"first of its recording ({len(wrong)} such rows); correct `step`, or leave it out"
        )
    if place_N.max(initial=0) > MOST_GAPS * len(table):
        raise DataError(
            f"{split}: column {order}: with steps of {step:g} nearly all moments are absent; correct `step`"
        )
    return place_N


def _moments(table: pa.Table, split: str, order: str) -> np.ndarray:
    """Return the order as float64 [N]: numbers as they are, times in seconds."""
    import pyarrow as pa

    values = table[order]
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        try:
            values = values.cast(pa.timestamp("us"))
        except pa.ArrowInvalid as error:
            raise DataError(f"{split}: column {order}: `step` needs numbers or times: {error}") from error
    if pa.types.is_temporal(values.type):
        return np.asarray(values.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy(), np.float64) / 1e6
    return numbers(table, order, split)


def bordered(line: Timeline, borders: Mapping[Split, float]) -> Timeline:
    """Return the timeline with each place of the split that its number in the recording falls into."""
    place_P = np.arange(len(line.row_P)) - line.start_P
    length_P = line.stop_P - line.start_P
    split_P = np.full(len(place_P), NO_SPLIT)
    for code in reversed(range(len(SPLITS))):
        if SPLITS[code] in borders:
            border = borders[SPLITS[code]]
            split_P[place_P < (np.round(border * length_P) if border <= 1 else border)] = code
    return replace(line, split_P=split_P)


def merged(lines: Mapping[Split, Timeline], order: str, *, may_repeat: bool) -> Timeline:
    """Join the parts that splits hold of the same recordings; DataError where a later split comes before an earlier, or
    two splits hold one moment that may not repeat.
    """
    import pyarrow as pa

    parts = list({id(line.table): line for line in lines.values()}.values())
    if any((line.row_P < 0).any() for line in parts):
        raise DataError("continues: has no meaning with a `step` that leaves gaps; join the files first")
    split = pa.array(np.concatenate([line.split_P for line in parts]))
    table = pa.concat_tables([line.table for line in parts], promote_options="permissive").append_column("", split)
    check_moments(table, "all splits", parts[0].by, order, may_repeat=may_repeat)
    line = timeline(table, "all splits", parts[0].by, order, None)
    split_P = line.table[""].to_numpy()
    is_back_P = (np.diff(split_P, prepend=0) < 0) & (np.arange(len(split_P)) > line.start_P)
    if is_back_P.any():
        row = int(np.argmax(is_back_P))
        moment = line.table[order][row].as_py()
        raise DataError(f"continues: column {order}: {moment} of a later split comes before one of an earlier split")
    return replace(line, table=line.table.drop_columns([""]), split_P=split_P)
