"""Arrow columns as numpy arrays and back, read from and written to Arrow's own memory.

pyarrow's conversions of nulls, numpy arrays and Python lists import pandas, which costs every command a third of a
second; these do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa


def one_array(values: pa.ChunkedArray) -> pa.Array:
    """Join the chunks of a column; dictionaries become plain values."""
    import pyarrow as pa

    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    joined = values.combine_chunks()
    return joined if isinstance(joined, pa.Array) else pa.concat_arrays(joined.chunks)


def to_numpy(array: pa.Array, dtype: type[np.generic]) -> tuple[np.ndarray, np.ndarray]:
    """Return the values [N] of an array whose type is as wide as `dtype`, and where they are null, bool [N]."""
    validity, data = array.buffers()
    rows = slice(array.offset, array.offset + len(array))
    values = np.frombuffer(data, dtype)[rows] if data is not None else np.zeros(len(array), dtype)
    if validity is None:
        return values, np.zeros(len(array), dtype=bool)
    return values, np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little")[rows] == 0


def to_codes(values: pa.ChunkedArray) -> tuple[np.ndarray, list[Any]]:
    """Return int64 [N] codes into the list of distinct values, -1 where missing (null or NaN), in order of sight."""
    import pyarrow as pa

    array = one_array(values)
    if pa.types.is_null(array.type):
        return np.full(len(array), -1, dtype=np.int64), []
    encoded = array.dictionary_encode()
    indices, is_missing = to_numpy(encoded.indices, np.int32)
    codes = np.where(is_missing, -1, indices.astype(np.int64))
    words = encoded.dictionary.to_pylist()
    for code, word in enumerate(words):
        if isinstance(word, float) and np.isnan(word):
            codes[codes == code] = -1
    return codes, words


class Cells(NamedTuple):
    """Cells that hold lists: one float64 array per row, None where the cell is missing.

    A list of numbers is [T, 1], a list of records [T, C] with their `names`, a list of lists [outer, inner]. Rows that
    share their values in Arrow (overlapping windows) share them here.
    """

    rows: list[np.ndarray | None]
    names: tuple[str, ...]
    uneven: tuple[int, ...]
    """Rows whose inner lists differ in length; their arrays are empty."""


def to_cells(values: pa.ChunkedArray) -> Cells | None:
    """Return the rows of a column of lists of numbers, of records of numbers or of lists of numbers; None of others."""
    rows: list[np.ndarray | None] = []
    uneven: list[int] = []
    names: tuple[str, ...] = ()
    for chunk in values.chunks or [values.combine_chunks()]:
        storage = _storage(chunk)
        if storage is None:
            return None
        held, names = storage
        starts, stops = _extents(chunk)
        known = chunk.is_valid().to_pylist() if chunk.null_count else [True] * len(chunk)
        for start, stop, is_known in zip(starts.tolist(), stops.tolist(), known, strict=True):
            if not is_known:
                rows.append(None)
            elif isinstance(held, np.ndarray):
                rows.append(held[start:stop])
            else:
                inner = held[start:stop]
                if len({len(part) for part in inner}) > 1:
                    uneven.append(len(rows))
                    inner = []
                rows.append(np.stack(inner) if inner else np.zeros((0, 0)))
    return Cells(rows, names, tuple(uneven))


def _storage(chunk: pa.Array) -> tuple[np.ndarray | list[np.ndarray], tuple[str, ...]] | None:
    """Return what the lists of a chunk point into, [S, C] or S inner lists, and the names of its columns."""
    import pyarrow as pa

    if not is_list(chunk.type):
        return None
    child = chunk.values
    kind = child.type
    if pa.types.is_struct(kind):
        columns = [_numbers(child.field(place)) for place in range(kind.num_fields)]
        if not columns or any(column is None for column in columns):
            return None
        missing = ~np.array(child.is_valid().to_pylist(), dtype=bool) if child.null_count else np.zeros(0, np.int64)
        held = np.stack([column for column in columns if column is not None], axis=1)
        held[missing] = np.nan
        return held, tuple(kind.field(place).name for place in range(kind.num_fields))
    if is_list(kind):
        flat = _numbers(child.values)
        if flat is None:
            return None
        return [flat[start:stop] for start, stop in zip(*_extents(child), strict=True)], ()
    numbers = _numbers(child)
    return None if numbers is None else (numbers.reshape(-1, 1).copy(), ())


def _extents(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return where each list of an array starts and stops in its values, int64 [N]; a missing one is empty."""
    import pyarrow as pa

    if pa.types.is_fixed_size_list(array.type):
        starts = (np.arange(len(array), dtype=np.int64) + array.offset) * array.type.list_size
        return starts, starts + array.type.list_size
    is_view = pa.types.is_list_view(array.type) or pa.types.is_large_list_view(array.type)
    is_large = pa.types.is_large_list(array.type) or pa.types.is_large_list_view(array.type)
    width = np.int64 if is_large else np.int32
    buffers = array.buffers()
    offsets = np.frombuffer(buffers[1], width) if buffers[1] is not None else np.zeros(1, width)
    here = slice(array.offset, array.offset + len(array))
    starts = offsets[here].astype(np.int64)
    if is_view:
        return starts, starts + np.frombuffer(buffers[2], width)[here] if len(array) else starts
    return starts, offsets[array.offset + 1 : array.offset + 1 + len(array)].astype(np.int64)


def is_list(kind: pa.DataType) -> bool:
    """Tell whether a type is a list of any make."""
    from pyarrow import types

    tests = (types.is_list, types.is_large_list, types.is_fixed_size_list, types.is_list_view, types.is_large_list_view)
    return any(test(kind) for test in tests)


def _numbers(array: pa.Array) -> np.ndarray | None:
    """Return float64 [N], NaN where null; None where the array holds no numbers."""
    import pyarrow as pa

    if pa.types.is_null(array.type):
        return np.full(len(array), np.nan)
    if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        return None
    values, is_missing = to_numpy(array.cast(pa.float64(), safe=False), np.float64)
    return np.where(is_missing, np.nan, values)


def from_numbers(values: np.ndarray, is_missing: np.ndarray | None = None) -> pa.Array:
    """Return numbers [N] as an Arrow array, null where `is_missing`."""
    import pyarrow as pa

    kind = pa.from_numpy_dtype(values.dtype)
    validity = None if is_missing is None else _validity(~is_missing)
    return pa.Array.from_buffers(kind, len(values), [validity, pa.py_buffer(np.ascontiguousarray(values))])


def from_text(values: Sequence[str | None]) -> pa.Array:
    """Return text as an Arrow array, null for None."""
    import pyarrow as pa

    return from_bytes([None if value is None else value.encode("utf-8", "backslashreplace") for value in values]).cast(
        pa.large_string()
    )


def from_bytes(values: Sequence[bytes | None]) -> pa.Array:
    """Return byte strings as an Arrow array of large_binary, null for None."""
    import pyarrow as pa

    ends = np.cumsum([0, *(len(value or b"") for value in values)], dtype=np.int64)
    data = b"".join(value or b"" for value in values)
    known = np.array([value is not None for value in values], dtype=bool)
    return pa.Array.from_buffers(
        pa.large_binary(), len(values), [_validity(known), pa.py_buffer(ends), pa.py_buffer(data)]
    )


def _validity(known: np.ndarray) -> pa.Buffer:
    import pyarrow as pa

    return pa.py_buffer(np.packbits(known, bitorder="little"))
