"""What a column holds, and its numbers, with errors that name column, row and value; shared by the fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlw.columns import is_list, one_array, to_codes, to_numpy
from dlw.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = 40
"""Characters of a wrong value that an error shows."""


def family(kind: pa.DataType) -> str:
    """Name what a column holds in the user's words: numbers, truth values, text, times, pictures, lists, nothing."""
    import pyarrow.types as types

    if types.is_dictionary(kind):
        return family(kind.value_type)
    if types.is_boolean(kind):
        return "truth values"
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "numbers"
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    if types.is_temporal(kind):
        return "times"
    if types.is_struct(kind) or types.is_binary(kind) or types.is_large_binary(kind):
        return "pictures" if not types.is_struct(kind) or kind.get_field_index("bytes") >= 0 else "records"
    if is_list(kind):
        return "lists"
    return "nothing" if types.is_null(kind) else str(kind)


def shown(value: object) -> str:
    """Quote a value for an error message, shortened and without control characters."""
    text = repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def row_told(row: int) -> str:
    """Name a row in an error message: a field sees the rows of a split or of a piece, not their places in a file."""
    return f"row {row} of those read (from 0)"


def to_floats(values: pa.ChunkedArray, name: str) -> np.ndarray:
    """Return float64 [N], NaN where missing; text is read if every value of it is a number, else DataError."""
    import pyarrow as pa

    what = family(values.type)
    if what == "nothing":
        return np.full(len(values), np.nan)
    if what == "text":
        return _parse(values, name)
    if what == "truth values":
        values = values.cast(pa.int8())
    elif what != "numbers":
        hint = "; make it a timestamp field" if what == "times" else ""
        raise DataError(f"column {name}: holds {what} ({values.type}) where numbers are needed{hint}")
    floats, is_missing = to_numpy(one_array(values).cast(pa.float64(), safe=False), np.float64)
    return np.where(is_missing, np.nan, floats)


def _parse(values: pa.ChunkedArray, name: str) -> np.ndarray:
    codes, words = to_codes(values)
    numbers = np.full(len(words) + 1, np.nan)
    wrong: list[int] = []
    for code, word in enumerate(words):
        try:
            numbers[code] = _number(str(word))
        except ValueError:
            wrong.append(code)
    if wrong:
        rows = np.flatnonzero(np.isin(codes, wrong))
        share = 100 * len(rows) / max(1, int((codes >= 0).sum()))
        raise DataError(
            f"column {name}: row {rows[0]}: {shown(words[codes[rows[0]]])} is not a number ({len(rows)} such values, "
            f"{share:.3g} % of the column); correct them, or make the column a category"
        )
    return numbers[codes]


def _number(word: str) -> float:
    if "_" in word:
        raise ValueError(word)
    return float(word) if word.strip() else float("nan")


def in_float32(numbers: np.ndarray, name: str) -> np.ndarray:
    """Return float32 numbers; DataError on an infinity and on values that float32 cannot hold."""
    with np.errstate(over="ignore"):
        small = numbers.astype(np.float32)
    wrong = np.flatnonzero(np.isinf(small))
    if len(wrong):
        row, count = int(wrong[0]), f"({len(wrong)} such values)"
        where = f"column {name}: row {row}: {numbers[row]:g}"
        if np.isinf(numbers[row]):
            raise DataError(f"{where} is infinite {count}; leave these values empty, or set infinite: missing")
        raise DataError(f"{where} is beyond what float32 holds (3.4e38) {count}; rescale the column")
    return small
