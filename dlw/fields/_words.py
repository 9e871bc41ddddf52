"""Values as words: one text for each distinct value, whatever type the file gave the column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dlw.columns import to_codes
from dlw.errors import DataError
from dlw.fields._columns import family

if TYPE_CHECKING:
    import pyarrow as pa


def word(value: Any) -> str:
    """Return the text of one value: 3 and 3.0 are the same word, truth values are true and false."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def to_words(values: pa.ChunkedArray, name: str) -> tuple[np.ndarray, list[str]]:
    """Return int64 [N] codes into the list of distinct words, -1 where missing; empty text is missing."""
    what = family(values.type)
    if what in ("lists", "records") or (what == "pictures" and not _is_binary(values.type)):
        raise DataError(f"column {name}: holds {what} ({values.type}), which cannot be a category")
    codes, raw = to_codes(values)
    places: dict[str, int] = {}
    table = np.full(len(raw) + 1, -1, dtype=np.int64)
    for code, value in enumerate(raw):
        text = word(value)
        if text:
            table[code] = places.setdefault(text, len(places))
    return table[np.where(codes < 0, len(raw), codes)], list(places)


def declared_words(values: pa.ChunkedArray) -> list[str] | None:
    """Return the names a column declares in their order (class labels, ordered categories), None if it has none."""
    import pyarrow as pa

    if not (pa.types.is_dictionary(values.type) and values.type.ordered):
        return None
    declared = (chunk.dictionary.to_pylist() for chunk in values.chunks)  # each file's own
    return list(dict.fromkeys(word(name) for names in declared for name in names))


def in_order(words: list[str]) -> list[str]:
    """Sort words as numbers if all of them are whole numbers, else as text: the same however the rows are shuffled."""
    try:
        return sorted(words, key=lambda text: (int(text), text))
    except ValueError:
        return sorted(words)


def _is_binary(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    return bool(types.is_binary(kind) or types.is_large_binary(kind))
