"""Batches of a split for training and validation: in memory, encoded as needed, or windows of a stream of tokens."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlw.errors import DataError
from dlw.packing import Packing, Windows, join, judging_windows, training_windows
from dlw.progress import Listener, Silent
from dlw.ragged import lengths
from dlw.specs import TARGET, Arrays

if TYPE_CHECKING:
    import pyarrow as pa

    from dlw.engine.batches import Batches
    from dlw.engine.hardware import Hardware
    from dlw.recipe.schema import Recipe
    from dlw.verbs._fitted import Fitted

ENCODED_AT_ONCE = 4096
"""Rows of a streamed split that are encoded together."""
TOKENS_FILE = "tokens-{split}.bin"


def make_batches(
    recipe: Recipe,
    fitted: Fitted,
    packing: Packing | None,
    table: pa.Table,
    split: str,
    hardware: Hardware,
    cache: Path,
    listener: Listener,
) -> tuple[Batches, Arrays]:
    """Return the batches of a split, and the arrays that decide its numbers as far as they are in memory.

    What does not fit the memory is written below `cache`, which may be deleted while the batches are in use.
    """
    from dlw.engine.batches import Resident, Streamed

    data = recipe.data
    groups = (*fitted.inputs.values(), *(() if fitted.own_target else (fitted.target,)))
    row_bytes = sum(int(np.prod(spec.shape)) * np.dtype(spec.dtype).itemsize for spec in groups)
    is_resident = data.resident is True or (data.resident == "auto" and row_bytes * len(table) < _memory_limit())
    if packing is not None:
        file = None if is_resident else cache / TOKENS_FILE.format(split=split)
        windows = pack(fitted, packing, table, split == "train", listener, data.max_bad, file)
        told = f"{len(windows.stream.token_S):,} tokens in {len(windows.starts):,} windows of {windows.context}"
        listener.line(f"{split}: {told}, {'held in memory' if is_resident else 'mapped from a file'}")
        streamed = Streamed(lambda rows: window_arrays(fitted, windows, rows), len(windows.starts), hardware.device, 1)
        return streamed, {"stream": windows.stream.token_S}
    listener.line(
        f"{split}: {len(table):,} rows, {row_bytes * len(table) / 2**20:,.1f} MiB encoded, "
        + ("held in memory" if is_resident else "streamed")
    )
    if is_resident:
        encoded = fitted.encode(table, with_target=True, listener=listener, max_bad=data.max_bad)
        if len(encoded.rows) == 0:
            raise DataError(f"split {split}: none of its {len(table)} rows can be used")
        return Resident(encoded.arrays, hardware.device, fitted.ragged), encoded.arrays

    def encode(rows: np.ndarray) -> Arrays:
        chunk = table.take(rows)
        return fitted.encode(chunk, with_target=True, listener=Silent(), max_bad=0.0).arrays

    steps = _lengths(encode, len(table), fitted.ragged) if fitted.ragged else None
    return Streamed(encode, len(table), hardware.device, recipe.train.workers, steps), {}


def pack(
    fitted: Fitted,
    packing: Packing,
    table: pa.Table,
    is_training: bool,
    listener: Listener,
    max_bad: float = 0.01,
    file: Path | None = None,
) -> Windows:
    """Join the texts of a table and cut them into windows: for training, or to judge every token once."""
    assert fitted.own_target is not None, "packed texts are their own target"
    spec, group = fitted.target, fitted.own_target
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    end, roles = int(spec.statistics["end"][0]), spec.statistics.get("roles", {})
    pieces = _pieces(fitted, group, table, listener, max_bad, file is not None)
    stream = join(pieces, end, is_separate=packing.is_separate, file=file)
    if len(stream.token_S) < 3:
        raise DataError(f"column {group}: {len(table)} rows hold less than one token to predict")
    return (training_windows if is_training else judging_windows)(stream, packing, end, roles)


def window_arrays(fitted: Fitted, windows: Windows, rows: np.ndarray) -> Arrays:
    """Return some windows as a network reads them, with their target."""
    assert fitted.own_target is not None
    token, target = windows.take(rows)
    return {fitted.own_target: token, TARGET: target}


def _pieces(
    fitted: Fitted, group: str, table: pa.Table, listener: Listener, max_bad: float, is_piecewise: bool
) -> Iterator[np.ndarray]:
    step = ENCODED_AT_ONCE if is_piecewise else max(1, len(table))
    for start in range(0, len(table), step):
        encoded = fitted.encode(table.slice(start, step), with_target=False, listener=listener, max_bad=max_bad)
        yield encoded.arrays[group]


def _lengths(encode: Callable[[np.ndarray], Arrays], num_rows: int, ragged: Mapping[str, str]) -> np.ndarray:
    """Return the steps of each row over all ragged groups, int64 [rows], by one pass over the split."""
    found = []
    for rows in np.array_split(np.arange(num_rows), -(-num_rows // ENCODED_AT_ONCE)):
        arrays = encode(rows)
        found.append(np.sum([lengths(arrays[name], kind) for name, kind in ragged.items()], axis=0))
    return np.concatenate(found)


def _memory_limit() -> float:
    """Return how many bytes of encoded rows may stay in memory: two fifths of what is free now."""
    return 0.4 * os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
