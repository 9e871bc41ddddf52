"""Rows that repeat: inside train, with contradicting targets, and across splits; pictures also where nearly equal.

Shape legend: N rows, D values of a thumbnail.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dlw.specs import Arrays, FieldSpec
from dlw.verbs._checks.findings import SHOWN, Finding
from dlw.verbs._leaks import repeats, row_codes

if TYPE_CHECKING:
    import pyarrow as pa

THUMBNAIL = 16
NEAR = 0.995
"""Correlation of thumbnails from which on two pictures count as twins; unlike pictures of one kind stay below it."""
FLAT = 1e-3
"""Deviation of a thumbnail, of 255, below which a picture is one colour and like every other such picture."""
CHUNK_ROWS = 1024


def equal_rows(tables: Mapping[str, pa.Table], inputs: Sequence[str], targets: Sequence[str]) -> Iterator[Finding]:
    """Find rows with equal inputs inside train and across splits, and those whose targets contradict each other."""
    codes = row_codes(tables, inputs)
    whole = row_codes(tables, [*inputs, *targets])
    train = codes["train"]
    _, first = np.unique(train, return_index=True)
    again = np.setdiff1d(np.arange(len(train)), first)
    if len(again):
        text = f"{len(again):,} of {len(train):,} training rows repeat the inputs of an earlier one"
        yield Finding("duplicates", "note", text, _shown(again))
    pairs = np.unique(np.stack([train, whole["train"]], axis=1), axis=0)[:, 0]
    values, answers = np.unique(pairs, return_counts=True)
    torn = np.flatnonzero(np.isin(train, values[answers > 1]))
    if targets and len(torn):
        text = f"{len(torn):,} training rows have the inputs of another row and a different target"
        yield Finding("contradictions", "warning", text, _shown(torn))
    for text, found in repeats(codes):
        yield Finding("leakage", "warning", f"{text}: that score will be too good", _shown(found))


def near_twins(
    arrays: Mapping[str, Arrays], rows: Mapping[str, np.ndarray], specs: Mapping[str, FieldSpec]
) -> Iterator[Finding]:
    """Find pictures of validation and test that are nearly those of train. `rows` are places of the arrays' rows."""
    groups = [name for name, spec in specs.items() if spec.kind == "image"]
    if len(groups) != 1:
        return
    thumbs = {split: _thumbnails(array[groups[0]]) for split, array in arrays.items()}
    for later in ("validation", "test"):
        if later not in thumbs:
            continue
        nearest = _nearest(thumbs[later], thumbs["train"])
        found = np.flatnonzero(nearest > NEAR)
        if len(found):
            share = 100 * len(found) / len(nearest)
            text = f"{len(found):,} of {len(nearest):,} {later} pictures ({share:.3g} %) have a near twin in train"
            why = f"thumbnails correlate above {NEAR}; split by session or group instead of at random"
            yield Finding("near twins", "warning", f"{text}: {why}", _shown(rows[later][found]))


def _thumbnails(image_NCHW: np.ndarray) -> np.ndarray:
    """Return grey thumbnails as unit vectors around their mean, float32 [N, D]; zeros where a picture is flat."""
    height, width = image_NCHW.shape[2:]
    edges_y, edges_x = (np.linspace(0, side, min(side, THUMBNAIL) + 1).astype(int)[:-1] for side in (height, width))
    found = []
    for start in range(0, len(image_NCHW), CHUNK_ROWS):
        grey = image_NCHW[start : start + CHUNK_ROWS].mean(1, dtype=np.float32)
        sums = np.add.reduceat(np.add.reduceat(grey, edges_y, axis=1), edges_x, axis=2)
        areas = np.diff([*edges_y, height])[:, None] * np.diff([*edges_x, width])
        small = (sums / areas).reshape(len(grey), -1)
        small -= small.mean(1, keepdims=True)
        length = np.sqrt((small**2).sum(1, keepdims=True))
        is_flat = length < FLAT * np.sqrt(small.shape[1])
        found.append(np.where(is_flat, 0.0, small / np.maximum(length, 1e-12)).astype(np.float32))
    return np.concatenate(found)


def _nearest(these_ND: np.ndarray, those_MD: np.ndarray) -> np.ndarray:
    """Return the largest correlation of each row with any of the others, float32 [N]."""
    parts = [
        (these_ND[start : start + CHUNK_ROWS] @ those_MD.T).max(1) for start in range(0, len(these_ND), CHUNK_ROWS)
    ]
    return np.concatenate(parts)


def _shown(rows: np.ndarray) -> tuple[int, ...]:
    return tuple(int(row) for row in rows[:SHOWN])
