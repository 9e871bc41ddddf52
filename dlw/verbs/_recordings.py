"""Scores within recordings: a machine, a patient, a series has a scale of its own, and is judged by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dlw.columns import to_codes
from dlw.errors import UsageError, did_you_mean
from dlw.specs import Outcome

if TYPE_CHECKING:
    import pyarrow as pa


def in_recordings(outcome: Outcome, rows: pa.Table, column: str | None) -> Outcome:
    """Let metrics of scores be averages over the recordings that `column` names; without one nothing changes.

    Rows of a recording must be in the order of time.
    """
    if column is None:
        return outcome
    if outcome.kind != "scores":
        raise UsageError(f"evaluate.within: {column} is for anomaly scores, this task gives {outcome.kind}")
    if column not in rows.column_names:
        near = did_you_mean(column, rows.column_names)
        raise UsageError(f"evaluate.within: no column {column}{near} (there are {', '.join(rows.column_names)})")
    group_N = to_codes(rows[column])[0]
    order_N = np.argsort(group_N, kind="stable")
    first_N = np.searchsorted(group_N[order_N], group_N[order_N])
    places_N = np.empty(len(group_N), np.int64)
    places_N[order_N] = np.arange(len(group_N)) - first_N
    return replace(outcome, group=group_N, places=places_N)


def alike(train: pa.Table, outcome: Outcome, rows: pa.Table, column: str | None) -> np.ndarray | None:
    """Return the recording of each training row, numbered as in `outcome.group`; -1 where it is not judged."""
    if column is None or outcome.group is None:
        return None
    words = to_codes(rows[column])[1]
    known = {word: code for code, word in enumerate(words)}
    codes, named = to_codes(train[column])
    return np.array([*(known.get(word, -1) for word in named), -1])[codes]
