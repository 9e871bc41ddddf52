"""Rows that occur in two splits: counted over the input columns, and told."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw import registry
from dlw.columns import from_bytes, from_text, one_array, to_cells, to_codes
from dlw.errors import DataError
from dlw.progress import Listener
from dlw.sources._files import check_file

if TYPE_CHECKING:
    import pyarrow as pa

_PAIRS = (("validation", "train"), ("test", "train"), ("test", "validation"))


def report_duplicates(tables: Mapping[str, pa.Table], columns: Sequence[str], strict: bool, listener: Listener) -> None:
    """Warn of rows whose inputs also occur in an earlier split; DataError if `strict`."""
    told = [text for text, _ in repeats(row_codes(tables, columns))]
    if told and strict:
        raise DataError(f"duplicate rows across splits (`data.strict`): {'; '.join(told)}")
    for text in told:
        listener.warn(f"{text}: equal inputs make that score too good")


def repeats(codes: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield for each split that repeats rows of an earlier one how many in words, and which; see row_codes."""
    for later, earlier in _PAIRS:
        if later in codes and earlier in codes:
            found = np.flatnonzero(np.isin(codes[later], codes[earlier]))
            if len(found):
                total = len(codes[later])
                share = 100 * len(found) / total
                yield f"{len(found):,} of {total:,} {later} rows ({share:.3g} %) also occur in {earlier}", found


def compared(inputs: Sequence[str], targets: Mapping[str, str]) -> list[str]:
    """Return the columns that make two rows the same: the inputs, and what follows them where the target does.

    `targets` map a column to the type of its field. A history is the beginning of a longer one by design.
    """
    follows = {name: getattr(registry.load("fields", type), "FOLLOWS", None) for name, type in targets.items()}
    return [*inputs, *(name for name in targets if follows[name] == "tokens")]


def row_codes(tables: Mapping[str, pa.Table], columns: Sequence[str]) -> dict[str, np.ndarray]:
    """Return uint64 [N] per split, equal where two rows have equal values in all columns."""

    total = sum(len(table) for table in tables.values())
    mixed = np.zeros(total, dtype=np.uint64)
    for column in columns:
        parts = [table[column] for table in tables.values()]
        mixed = _mix(mixed ^ _mix(_value_codes(parts).astype(np.uint64) + np.uint64(1)))
    ends = np.cumsum([len(table) for table in tables.values()])
    return dict(zip(tables, np.split(mixed, ends[:-1]), strict=True))


def _value_codes(parts: Sequence[pa.ChunkedArray]) -> np.ndarray:
    import pyarrow as pa

    plain = [plain_values(part) for part in parts]
    kinds = {part.type for part in plain}
    if len(kinds) > 1:  # tables that were read apart: 1 is 1.0
        is_number = all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds)
        plain = [part.cast(pa.float64() if is_number else pa.large_string()) for part in plain]
    return to_codes(pa.chunked_array([chunk for part in plain for chunk in part.chunks]))[0] + 1


def plain_values(part: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return values that can be told apart: contents of pictures, digests of number lists, the text of other lists."""
    import pyarrow as pa

    if pa.types.is_struct(part.type) and part.type.get_field_index("bytes") >= 0:
        return pa.chunked_array([_contents(chunk) for chunk in part.chunks], pa.large_binary())
    if (cells := to_cells(part)) is not None:
        return pa.chunked_array([from_bytes([_digest(row) for row in cells.rows])])
    if pa.types.is_nested(part.type):
        return pa.chunked_array([from_text([repr(value) for value in part.to_pylist()])])
    return pa.chunked_array([one_array(part)])


def _digest(row: np.ndarray | None) -> bytes | None:
    return None if row is None else hashlib.blake2b(np.ascontiguousarray(row).data, digest_size=16).digest()


def _contents(chunk: pa.StructArray) -> pa.Array:
    import pyarrow as pa

    data = chunk.field("bytes")
    if data.null_count:
        return from_bytes([_content(value) for value in chunk.to_pylist()])
    return data.cast(pa.large_binary())


def _content(picture: dict[str, Any] | None) -> bytes | None:
    """Return a picture's bytes; of a file that is still to be read, a digest."""
    if picture is None or (picture["bytes"] is None and picture.get("path") is None):
        return None
    if picture["bytes"] is not None:
        return bytes(picture["bytes"])
    try:
        check_file(Path(picture["path"]))
        return hashlib.blake2b(Path(picture["path"]).read_bytes(), digest_size=16).digest()
    except (OSError, DataError):
        return None  # told as a bad picture when it is decoded


def _mix(values: np.ndarray) -> np.ndarray:
    """Spread 64-bit values (the finaliser of splitmix64, Steele et al. 2014, doi:10.1145/2660193.2660195)."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))
