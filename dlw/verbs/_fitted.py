"""Fields fitted on the training split: rows in, packed arrays out; all that prediction keeps of the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw import registry
from dlw.errors import DataError, did_you_mean
from dlw.fields._base import Beside, Field, Role, State
from dlw.progress import Listener, Silent
from dlw.ragged import FILL, joined
from dlw.shards import ShardedTable
from dlw.specs import NO_TARGET, TARGET, Arrays, FieldSpec, pack_arrays, pack_specs, ragged_kinds

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT_VERSION = 1
ROWS_AT_ONCE = 4096
"""Rows of a table on disk, and of a streamed split, that are encoded together."""
_SHOWN_BAD = 5


@dataclass(frozen=True)
class Column:
    """One column: which field reads it, with which settings, and what that learned."""

    name: str
    type: str
    role: Role
    settings: Mapping[str, Any]
    state: State
    sample: int | None = None
    """How many rows it was fitted on, where these were not all of the training split."""

    @cached_property
    def field(self) -> Field:
        """The field plug-in, bound to this column."""
        module = registry.load("fields", self.type)
        field: Field = module.build(module.Settings.model_validate(self.settings), self.name, self.role)
        return field

    @cached_property
    def spec(self) -> FieldSpec:
        """What the network needs to know of the column."""
        return self.field.spec(self.state)

    @property
    def is_dropped(self) -> bool:
        """Whether the training split held nothing to learn from here."""
        return "dropped" in self.state


@dataclass(frozen=True)
class EncodedTable:
    """Packed arrays of the rows that could be used."""

    arrays: Arrays
    rows: np.ndarray
    """int64 [kept]: positions in the table."""
    bad: list[tuple[int, str, str]]
    """Row, column and reason of each value that could not be used."""


@dataclass(frozen=True)
class Fitted:
    """All fields of a recipe, fitted."""

    columns: tuple[Column, ...]
    known: tuple[str, ...]
    """Every column of the training table, used or not."""
    own_target: str | None = None
    """The input group that is its own target, where the task learns without a target column."""

    @cached_property
    def inputs(self) -> dict[str, FieldSpec]:
        """The packed input groups."""
        return pack_specs({column.name: column.spec for column in self._used("input")})

    @cached_property
    def target(self) -> FieldSpec:
        """The packed target, or the input that is its own; a category is a plain number per row: shape ()."""
        if self.own_target is not None:
            return self.inputs[self.own_target]
        if not self._used("target"):
            return NO_TARGET
        packed = next(iter(pack_specs({column.name: column.spec for column in self._used("target")}).values()))
        return replace(packed, shape=()) if packed.kind == "category" else packed

    @cached_property
    def ragged(self) -> dict[str, str]:
        """Group -> kind of the inputs, and of the target, whose rows differ in length."""
        return ragged_kinds({**self.inputs, TARGET: self.target})

    def encode(
        self, table: pa.Table, *, with_target: bool, listener: Listener, max_bad: float | None = 0.01
    ) -> EncodedTable:
        """Turn rows into packed arrays; nothing is learned from them, and a row does not depend on the others.

        Rows with a value that cannot be used are left out; DataError if their share is above `max_bad`; None leaves the
        judgement, and telling the user, to the caller.
        """
        used = [*self._used("input"), *(self._used("target") if with_target else ())]
        names = [column.name for column in used]
        self._check_columns(table, names, listener)
        if isinstance(table, ShardedTable):
            return self._encode_pieces(table.select(names), with_target, listener, max_bad)
        arrays: Arrays = {}
        bad: list[tuple[int, str, str]] = []
        for column in used:
            encoded = column.field.encode(
                table[column.name], column.state, *beside(column.name, column.type, self.columns, table)
            )
            arrays[column.name] = encoded.array
            bad += [(row, column.name, why) for row, why in encoded.bad.items()]
            for note in encoded.notes:
                listener.warn(note)
        packed = self._pack(arrays, with_target)
        rows = np.arange(len(table), dtype=np.int64)
        if bad:
            bad.sort()
            rows = np.setdiff1d(rows, [row for row, _, _ in bad])
            if max_bad is not None:
                _judge(bad, len(table) - len(rows), len(table), max_bad, listener)
            packed = {group: array[rows] for group, array in packed.items()}
        if with_target and self.own_target is not None:
            packed[TARGET] = packed[self.own_target]
        return EncodedTable(packed, rows, bad)

    def _encode_pieces(
        self, table: ShardedTable, with_target: bool, listener: Listener, max_bad: float | None
    ) -> EncodedTable:
        """Encode a table on disk into memory, piece by piece."""
        grown = _Grown(len(table), self.ragged)
        bad: list[tuple[int, str, str]] = []
        rows, start = [], 0
        for piece in table.pieces(ROWS_AT_ONCE):
            told = listener if not start else Silent()
            part = self.encode(piece.load(), with_target=with_target, listener=told, max_bad=None)
            grown.add(part.arrays)
            rows.append(part.rows + start)
            bad += [(row + start, name, why) for row, name, why in part.bad]
            start += len(piece)
            listener.progress("encoding", start, len(table), {})
        if bad and max_bad is not None:
            _judge(bad, start - grown.num_rows, start, max_bad, listener)
        return EncodedTable(grown.arrays(), np.concatenate(rows), bad)

    @property
    def row_bytes(self) -> int:
        """About what a row takes when it is encoded."""
        groups = (*self.inputs.values(), *(() if self.own_target else (self.target,)))
        return sum(int(np.prod(spec.shape)) * np.dtype(spec.dtype).itemsize for spec in groups)

    @cached_property
    def prompted(self) -> Fitted:
        """The same for texts that a network goes on with, where it is asked for: of one too long the end is kept."""
        columns = (replace(one, role="prompt") if one.name == self.own_target else one for one in self.columns)
        return replace(self, columns=tuple(columns))

    def to_json(self) -> dict[str, Any]:
        """Return fields.json; `from_json` restores an equal value."""
        columns = [
            {"name": c.name, "type": c.type, "role": c.role, "settings": dict(c.settings), "state": c.state}
            | ({} if c.sample is None else {"sample": c.sample})
            for c in self.columns
        ]
        found: dict[str, Any] = {"version": FORMAT_VERSION, "columns": columns, "known": list(self.known)}
        return found if self.own_target is None else {**found, "own_target": self.own_target}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Fitted:
        """Restore what `to_json` wrote; DataError if it is of another version."""
        if data.get("version") != FORMAT_VERSION:
            raise DataError(f"fields.json: version {data.get('version')} where this dlw reads {FORMAT_VERSION}")
        columns = tuple(Column(**column) for column in data["columns"])
        return cls(columns, tuple(data["known"]), data.get("own_target"))

    def _used(self, role: Role) -> tuple[Column, ...]:
        is_target = role == "target"
        return tuple(one for one in self.columns if (one.role == "target") == is_target and not one.is_dropped)

    def _pack(self, arrays: Arrays, with_target: bool) -> Arrays:
        inputs = {column.name: column.spec for column in self._used("input")}
        packed = pack_arrays(arrays, inputs)
        if with_target and self.target == NO_TARGET:
            packed[TARGET] = np.full(len(next(iter(packed.values()))), -1, np.int64)
        elif with_target and self.own_target is None:
            targets = pack_arrays(arrays, {column.name: column.spec for column in self._used("target")})
            target = next(iter(targets.values()))
            packed[TARGET] = target[:, 0] if self.target.kind == "category" else target
        return packed

    def _check_columns(self, table: pa.Table, wanted: list[str], listener: Listener) -> None:
        missing = [name for name in wanted if name not in table.column_names]
        if missing:
            raise DataError(missing_columns(missing, table.column_names))
        extra = [name for name in table.column_names if name not in self.known]
        if extra:
            listener.line(f"columns that training did not have are ignored: {', '.join(extra[:10])}")


class _Grown:
    """Arrays that grow piece by piece, in their final place where the rows of a group are of one size."""

    def __init__(self, most_rows: int, ragged: Mapping[str, str]) -> None:
        self._most_rows, self._ragged = most_rows, ragged
        self._whole: Arrays = {}
        self._parts: dict[str, list[np.ndarray]] = {}
        self.num_rows = 0

    def add(self, arrays: Arrays) -> None:
        """Append rows."""
        count = len(next(iter(arrays.values())))
        for name, array in arrays.items():
            if name in self._ragged:
                self._parts.setdefault(name, []).append(array)
                continue
            if name not in self._whole:
                self._whole[name] = np.empty((self._most_rows, *array.shape[1:]), array.dtype)
            self._whole[name][self.num_rows : self.num_rows + count] = array
        self.num_rows += count

    def arrays(self) -> Arrays:
        """Return all rows so far."""
        found = {name: array[: self.num_rows] for name, array in self._whole.items()}
        return found | {name: joined(parts, FILL[self._ragged[name]]) for name, parts in self._parts.items()}


def beside(name: str, type: str, columns: Iterable[Column], table: pa.Table) -> tuple[Beside, ...]:
    """Return the input that a field follows with its values, nothing for a field that stands alone."""
    return tuple(Beside(table[one.name], one.state, one.settings) for one in followed(name, type, columns))


def followed(name: str, type: str, columns: Iterable[Column]) -> tuple[Column, ...]:
    """Return the input column that a field follows, nothing for a field that stands alone."""
    kind = getattr(registry.load("fields", type), "FOLLOWS", None)
    if kind is None:
        return ()
    found = [other for other in columns if other.role == "input" and other.spec.kind == kind]
    if len(found) != 1:
        raise DataError(f"column {name} follows an input: there must be one of the kind {kind}, {len(found)} found")
    return (found[0],)


def missing_columns(missing: list[str], found: list[str]) -> str:
    """Say which columns are not there, with the nearest names that are."""
    told = ", ".join(f"{name}{did_you_mean(name, found)}" for name in missing[:5])
    return f"missing column{'s' if len(missing) > 1 else ''}: {told}; the table has: {', '.join(found[:30])}"


def _judge(bad: list[tuple[int, str, str]], num_bad: int, num_rows: int, max_bad: float, listener: Listener) -> None:
    told = "; ".join(f"row {row}: {why}" for row, _, why in bad[:_SHOWN_BAD])
    share = num_bad / num_rows
    if share > max_bad:
        raise DataError(
            f"{num_bad} of {num_rows} rows cannot be used ({100 * share:.3g} %, `data.max_bad` allows "
            f"{100 * max_bad:.3g} %): {told}"
        )
    listener.warn(f"{num_bad} of {num_rows} rows are left out: {told}")
