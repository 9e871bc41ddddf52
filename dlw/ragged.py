"""Rows of different length in one array: the second axis holds the steps of a row, a fill value follows its end.

No second array tells the lengths: every ragged kind has a fill value that is never a step, so networks, exports and
bundles read the end of a row off the row itself.
Shape legend: N rows, T steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

FILL: Mapping[str, float] = {"tokens": 0, "sound": -32768, "series": float("nan"), "graph": 0}
"""Kind -> the value after the end of a row; see specs.FieldSpec."""

LEAST_STEPS = 2
"""Arrays have this many steps at least: tracers take a size of 0 or 1 for a constant."""


def stack(rows: Sequence[np.ndarray], kind: str, dtype: str, shape: Sequence[int] = ()) -> np.ndarray:
    """Return rows [T_i, *shape] as one array [N, T, *shape], T the longest, with the kind's fill after each end."""
    longest = max([LEAST_STEPS, *map(len, rows)])
    stacked = np.full((len(rows), longest, *shape), FILL[kind], dtype)
    for place, row in enumerate(rows):
        stacked[place, : len(row)] = row
    return stacked


def lengths(array: np.ndarray, kind: str) -> np.ndarray:
    """Return int64 [N]: the steps of each row up to the last one that is not fill."""
    fill = FILL[kind]
    is_step = ~np.isnan(array) if np.isnan(fill) else array != fill
    is_step = is_step.reshape(*array.shape[:2], -1).any(axis=2) if array.ndim > 2 else is_step
    back = is_step[:, ::-1].argmax(axis=1)
    return np.where(is_step.any(axis=1), array.shape[1] - back, 0).astype(np.int64)


def trimmed(arrays: Mapping[str, np.ndarray], kinds: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Cut each group of `kinds` (group -> kind) to its longest row; other groups stay as they are."""
    return {
        name: array[:, : max(LEAST_STEPS, lengths(array, kinds[name]).max(initial=0))] if name in kinds else array
        for name, array in arrays.items()
    }


def joined(parts: Sequence[np.ndarray], fill: float = 0) -> np.ndarray:
    """Concatenate arrays along the rows; where the second axis differs, `fill` fills it up to the longest."""
    if parts[0].ndim < 2 or len({part.shape[1] for part in parts}) == 1:
        return np.concatenate(parts)
    longest = max(part.shape[1] for part in parts)
    return np.concatenate(
        [
            np.pad(part, [(0, 0), (0, longest - part.shape[1])] + [(0, 0)] * (part.ndim - 2), constant_values=fill)
            for part in parts
        ]
    )


def bucketed(rows: np.ndarray, of_length: np.ndarray, batch_size: int, rng: np.random.Generator) -> np.ndarray:
    """Reorder an epoch's shuffled rows so that a batch holds rows of about one length; batches come in random order.

    Rows are sorted inside pools of POOL batches only, so that every epoch makes other batches. A tail of less than a
    batch stays at the end.
    """
    whole = len(rows) // batch_size * batch_size
    pools = np.split(rows[:whole], range(POOL * batch_size, whole, POOL * batch_size))
    batches = np.concatenate([pool[np.argsort(of_length[pool], kind="stable")] for pool in pools])
    batches = batches.reshape(-1, batch_size)
    return np.concatenate([batches[rng.permutation(len(batches))].reshape(-1), rows[whole:]])


POOL = 50
"""Batches that are sorted by length together."""
