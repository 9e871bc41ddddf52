"""Reasons for the answers to some rows, collected: what each input says, and the files that show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw.explainers._base import Map
from dlw.ragged import lengths
from dlw.runs.disk import write_atomic
from dlw.specs import PACKED_KINDS, Arrays, FieldSpec
from dlw.verbs._asked import FreeNames, name_of
from dlw.verbs._reason_drawings import drawn
from dlw.verbs._reasoning import Reasoned, Reasoner

if TYPE_CHECKING:
    from dlw.progress import Listener
    from dlw.verbs._fitted import Fitted
    from dlw.verbs._inputs import Piece

MOST_ROWS = 20
"""Rows that are explained, unless another number is asked for: some methods take a second a row."""
DIGITS = 6


@dataclass(frozen=True)
class InputReason:
    """How much each place of one input speaks for the answer; shapes are those of explainers._base.Map.

    `names` and `given` tell columns (their value in the row) and tokens (their text) apart.
    """

    kind: str
    values: np.ndarray
    names: tuple[str, ...] = ()
    given: tuple[Any, ...] = ()
    drawing: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able mapping."""
        rounded = np.array([float(f"{value:.{DIGITS}g}") for value in self.values.ravel()]).reshape(self.values.shape)
        named = {"names": list(self.names), "given": list(self.given)} if self.names else {}
        drawing = {"drawing": str(self.drawing)} if self.drawing else {}
        return {"kind": self.kind, **named, **drawing, "values": rounded.tolist()}


@dataclass(frozen=True)
class RowReason:
    """Why one row is answered as it is. `row` counts from 0 in its file.

    `score` is what is explained, in the reasons' `unit`; `base` is the score of a row without anything, where the
    method has one, and `gap` what the values miss of score - base.
    """

    file: str
    row: int
    of: str
    method: str
    score: float
    base: float | None
    gap: float | None
    inputs: Mapping[str, InputReason]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able mapping."""
        told = {"file": self.file, "row": self.row, "class": self.of, "method": self.method}
        figures = {"score": self.score, "base": self.base, "gap": self.gap}
        return {**told, **figures, "inputs": {name: one.to_json() for name, one in self.inputs.items()}}


@dataclass
class Reasons:
    """Collects the reasons of at most `most` rows; with a folder, files that show them are written as rows come."""

    reasoner: Reasoner
    fitted: Fitted
    folder: Path | None
    most: int
    listener: Listener
    rows: list[RowReason] = field(default_factory=list)
    left_out: int = 0
    _names: FreeNames = field(default_factory=FreeNames)

    def add(self, piece: Piece, rows: np.ndarray, arrays: Arrays) -> None:
        """Explain the rows of a piece that could be encoded."""
        wanted = min(len(rows), self.most - len(self.rows))
        self.left_out += len(rows) - wanted
        for place in range(wanted):
            self.listener.progress("reasons", place, wanted, {})
            one = {name: array[place : place + 1] for name, array in arrays.items() if name in self.fitted.inputs}
            self.rows.append(self._row(piece, int(rows[place]), one))
        self.listener.progress("reasons", wanted, wanted, {})

    def _row(self, piece: Piece, row: int, arrays: Arrays) -> RowReason:
        found = self.reasoner.reason(arrays)
        explanation = found.explanation
        name = self._names.free(name_of(piece, row))
        inputs = {}
        for group, reasons in explanation.maps.items():
            reasons = _own(reasons, self.fitted.inputs[group], arrays[group])
            names, given = self._named(group, reasons, arrays, piece, row)
            drawing = self._draw(name, group, reasons, arrays[group][0], names, found)
            inputs[group] = InputReason(self.fitted.inputs[group].kind, reasons.values, names, given, drawing)
        return RowReason(
            file=piece.files[row],
            row=piece.row(row),
            of=found.of,
            method=found.method,
            score=explanation.score,
            base=explanation.base,
            gap=explanation.gap if explanation.is_complete else None,
            inputs=inputs,
        )

    def _named(
        self, group: str, reasons: Map, arrays: Arrays, piece: Piece, row: int
    ) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        """Return what the values are called and what stood there in the row."""
        spec = self.fitted.inputs[group]
        if spec.kind == "tokens":
            column = next(column for column in self.fitted.columns if column.name == group)
            token_T = arrays[group][0, : len(reasons.values)]
            return tuple(column.field.decode(token_T[:, None], column.state)), ()
        if spec.kind == "series":
            return spec.columns, ()
        if spec.kind not in PACKED_KINDS:
            return (), ()
        names = reasons.names or spec.columns
        cells = [piece.table.column(name)[row].as_py() if name in piece.table.column_names else None for name in names]
        return names, tuple(cell if isinstance(cell, int | float | None) else str(cell) for cell in cells)

    def _draw(
        self, name: str, group: str, reasons: Map, array: np.ndarray, names: Sequence[str], found: Reasoned
    ) -> Path | None:
        if self.folder is None:
            return None
        spec = self.fitted.inputs[group]
        title = f"{name}: {found.of} ({self.reasoner.unit}, {found.method})"
        made = drawn(reasons, array[: _length(spec, reasons, array)], spec, names, title)
        if made is None:
            return None
        file = self.folder / f"{name if len(self.fitted.inputs) == 1 else f'{name}-{group}'}{made[0]}"
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(file, made[1])
        return file


def _own(reasons: Map, spec: FieldSpec, array: np.ndarray) -> Map:
    """Return the reasons of a text's own tokens: a text of fewer than the least steps has fill behind them."""
    if spec.kind != "tokens":
        return reasons
    return replace(reasons, values=reasons.values[: max(1, int(lengths(array, spec.kind)[0]))])


def _length(spec: FieldSpec, reasons: Map, array: np.ndarray) -> int:
    """Return how many steps of a row are its own: the values of explained rows end where the row ends."""
    is_by_step = spec.kind == "series" or (spec.kind == "sound" and reasons.values.ndim == 1)
    return len(reasons.values) if is_by_step else len(array)
