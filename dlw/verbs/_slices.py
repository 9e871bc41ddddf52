"""Rows by the values of a column, so that a score can be shown for each group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

MAX_VALUES = 50
"""With more values than this the rarest are put together."""
MAX_NUMBERS = 10
"""Numbers and times with more values than this are cut at the quartiles."""
SMALL = 30
"""A group of fewer rows is marked: its interval is wide and its score says little."""
MISSING = "(missing)"


def check_columns(columns: Sequence[str], known: Sequence[str], asked_by: str) -> None:
    """Raise UsageError for a column that the table lacks; `asked_by` is the option that names it."""
    for name in columns:
        if name not in known:
            raise UsageError(
                f"{asked_by} {name}: no such column{did_you_mean(name, known)} (there are {', '.join(known)})"
            )


def groups(column: pa.ChunkedArray, name: str) -> list[tuple[str, np.ndarray]]:
    """Return the column's groups as (value in words, row numbers), in the order of the values."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise UsageError(f"--slice {name}: holds {kind}; slices need text, numbers, times or truth values")
    values = column.to_pylist()
    is_missing = np.array([value is None or value != value or value == "" for value in values], dtype=bool)
    known = [value for value, missing in zip(values, is_missing, strict=True) if not missing]
    rows = np.flatnonzero(~is_missing)
    distinct = sorted(set(known))
    is_ordered = pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_temporal(kind)
    if is_ordered and len(distinct) > MAX_NUMBERS:
        found = _quartiles(known, rows)
    else:
        found = _values(known, rows, distinct)
    return [*found, (MISSING, np.flatnonzero(is_missing))] if is_missing.any() else found


def _values(known: list[Any], rows: np.ndarray, distinct: list[Any]) -> list[tuple[str, np.ndarray]]:
    places = {value: place for place, value in enumerate(distinct)}
    codes = np.array([places[value] for value in known], dtype=np.int64)
    sizes = np.bincount(codes, minlength=len(distinct))
    kept = list(range(len(distinct)))
    if len(distinct) > MAX_VALUES:
        kept = sorted(np.argsort(-sizes, kind="stable")[: MAX_VALUES - 1].tolist())
    found = [(str(distinct[place]), rows[codes == place]) for place in kept]
    if len(kept) < len(distinct):
        others = ~np.isin(codes, kept)
        found.append((f"({len(distinct) - len(kept)} other values)", rows[others]))
    return found


def _quartiles(known: list[Any], rows: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Cut at values of the column, so that times need no arithmetic; equal values stay together."""
    order = sorted(known)
    cuts = sorted({order[len(order) * part // 4 - 1] for part in (1, 2, 3)} | {order[-1]})
    codes = np.array([next(place for place, cut in enumerate(cuts) if value <= cut) for value in known])
    found = []
    for place in range(len(cuts)):
        inside = np.flatnonzero(codes == place)
        low, high = min(known[row] for row in inside), max(known[row] for row in inside)
        found.append((f"{_words(low)} to {_words(high)}", rows[inside]))
    return found


def _words(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
