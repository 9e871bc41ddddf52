"""Arrow columns as numpy arrays and back, read from and written to Arrow's own memory.

pyarrow's conversions of nulls, numpy arrays and Python lists import pandas, which costs every command a third of a
second; these do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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
