"""`predict`: answers for new rows, from a run or a bundle, as columns or as a file written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw.errors import DataError, UsageError, did_you_mean
from dlw.progress import Listener, Silent
from dlw.sources._files import MEDIA, walk
from dlw.specs import Arrays
from dlw.verbs import _tiles
from dlw.verbs._asked import asked_rows, name_of, named, num_empty, read_columns
from dlw.verbs._bundle import Answerer, open_target
from dlw.verbs._forecasts import are_forecasts, in_steps, told_apart
from dlw.verbs._inputs import refuse_overwriting
from dlw.verbs._masks import on_given_pictures
from dlw.verbs._objects import are_objects, coco_results, in_given_pixels
from dlw.verbs._style import restyled
from dlw.verbs._writing import WRITTEN, Scribe

if TYPE_CHECKING:
    import pyarrow as pa

    from dlw.engine.team import Team
    from dlw.verbs._drawings import Drawings
    from dlw.verbs._inputs import Piece
    from dlw.verbs._plots import Plots

ROW, FILE, UNSEEN = "row", "file", "unseen"
OUTPUT_SUFFIXES = (".parquet", ".csv", ".jsonl")
COCO_SUFFIX = ".json"
"""Suffix of a file of COCO results, for answers that are objects."""
MATCHES = 5
"""Rows of an index that are shown for each row, unless another number is asked for."""
WARNED = 20
"""Rows that cannot be used are warned of one by one up to this many; all are in the result."""


@dataclass(frozen=True)
class BadRow:
    """A row without an answer. `row` counts from 0 in its file."""

    file: str
    row: int
    reason: str


@dataclass(frozen=True)
class Predictions:
    """Answers beside what tells the rows apart.

    `columns` map a name to one value per answered row: `file` and `row` (from 0), columns that were kept, the answers
    as the task names them and, only if there are any, `unseen`: the columns whose value training never saw.
    """

    name: str
    columns: dict[str, list[Any]]
    bad: list[BadRow] = field(default_factory=list)
    output: Path | None = None

    @property
    def num_rows(self) -> int:
        """Number of answered rows."""
        return len(next(iter(self.columns.values())))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one mapping per row."""
        for values in zip(*self.columns.values(), strict=True):
            yield dict(zip(self.columns, values, strict=True))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able mapping; with an output file the answers are there and not here."""
        from dlw.verbs._tables import plain

        answers: dict[str, Any] = {}
        if not self.output:
            answers["predictions"] = [{name: plain(value) for name, value in row.items()} for row in self.rows()]
        return {
            "name": self.name,
            "rows": self.num_rows,
            "output": str(self.output) if self.output else None,
            "bad": [{"file": bad.file, "row": bad.row, "reason": bad.reason} for bad in self.bad],
            **answers,
        }


def predict(
    target: Path,
    inputs: Sequence[str] = (),
    *,
    text: Sequence[str] = (),
    output: Path | None = None,
    keep: Sequence[str] = (),
    draw: Path | None = None,
    index: Sequence[str] = (),
    matches: int = MATCHES,
    is_tiled: bool = False,
    sets: Sequence[str] = (),
    threads: int | None = None,
    listener: Listener | None = None,
    team: Team | None = None,
) -> Predictions:
    """Answer every row of the inputs; `keep` names input columns to repeat beside the answers.

    `text` gives texts themselves, to a model that reads one text; such a model reads lines of text from stdin, too.
    `draw` names a folder for the pictures or series with the answers drawn over them. With an `index`, inputs of the
    same kinds, the answers are the `matches` rows of it that lie nearest, for networks that answer with vectors.
    `is_tiled` answers pictures larger than those of training tile by tile, for segmentation. `sets` (NAME=VALUE)
    change how a network writes.
    Raises DataError when a column is missing or no row can be used; single bad pictures are listed in the result.
    """
    listener = listener or Silent()
    if output is not None:
        _check_output(output, [*inputs, *index])
    if not inputs and not text:
        raise UsageError("no input is given: name files, folders or globs, - for stdin, or --text")
    if matches < 1:
        raise UsageError(f"--matches {matches}: must be 1 or more")
    answerer = restyled(open_target(target, threads, listener, team), sets)
    if output is not None and not any(spec.kind in MEDIA for spec in answerer.fitted.inputs.values()):
        refuse_overwriting(output, _below([*inputs, *index]))
    if output is not None and output.suffix.lower() == COCO_SUFFIX and not are_objects(answerer.fitted.target):
        raise UsageError(f"--output {output}: {COCO_SUFFIX} is for detections (COCO results); write .jsonl")
    if is_tiled:
        _tiles.check(answerer)
    is_first = team is None or team.is_first
    drawings = _drawings(draw if is_first else None, answerer)
    collected = _answered(answerer, inputs, keep, drawings, listener, is_tiled, text)
    columns = collected.finished()
    if index:
        columns = _searched(answerer, columns, index, matches, listener)
    if output is not None and is_first:
        _write(output, columns, answerer, listener)
    return Predictions(answerer.name, columns, collected.bad, output)


def _check_output(output: Path, inputs: Sequence[str]) -> None:
    suffixes = (*OUTPUT_SUFFIXES, COCO_SUFFIX)
    if output.suffix.lower() not in suffixes:
        raise UsageError(f"--output {output}: its suffix must be one of {', '.join(suffixes)}")
    refuse_overwriting(output, inputs)


def _below(inputs: Sequence[str]) -> list[str]:
    """Return the files in the folders among the inputs."""
    return [str(file) for text in inputs if os.path.isdir(text) for file in walk(Path(text))]


def _write(output: Path, columns: dict[str, list[Any]], answerer: Answerer, listener: Listener) -> None:
    """Write the answers to a file, whole or not at all."""
    from dlw.runs.disk import write_atomic
    from dlw.verbs._tables import table_bytes

    suffix = output.suffix.lower()
    is_coco = suffix == COCO_SUFFIX
    content = coco_results(columns, answerer.fitted) if is_coco else table_bytes(columns, suffix)
    if output.exists():
        listener.line(f"{output}: replaces the file of that name")
    write_atomic(output, content)


def _answered(
    answerer: Answerer,
    inputs: Sequence[str],
    keep: Sequence[str],
    drawings: Drawings | Plots | None,
    listener: Listener,
    is_tiled: bool = False,
    text: Sequence[str] = (),
) -> _Collected:
    """Answer all inputs and tell of the rows that cannot be; raises DataError when none can."""
    collected = _Collected()
    for piece in asked_rows(answerer.fitted, answerer.source, inputs, text, listener):
        _answer_piece(answerer, piece, keep, drawings, collected, listener, is_tiled)
    for bad in collected.bad[:WARNED]:
        listener.warn(f"no answer for {bad.file}, row {bad.row}: {bad.reason}")
    if len(collected.bad) > WARNED:
        listener.warn(f"{len(collected.bad) - WARNED} more rows have no answer")
    if collected.num_empty:
        told = ", ".join(read_columns(answerer.fitted)[:WARNED])
        listener.warn(f"rows that hold nothing to answer from, in {told}: {collected.num_empty:,}")
    if not collected.num_rows:
        first = f": {collected.bad[0].file}: {collected.bad[0].reason}" if collected.bad else ""
        raise DataError(f"none of {len(collected.bad)} rows can be used{first}")
    return collected


def _searched(
    answerer: Answerer, columns: dict[str, list[Any]], index: Sequence[str], matches: int, listener: Listener
) -> dict[str, list[Any]]:
    """Return the rows of the index that lie nearest to each answered row."""
    from dlw.verbs._nearest import VECTOR, nearest

    if VECTOR not in columns:
        raise UsageError("--index: only answers of the task embedding, vectors, can be searched")
    found = _answered(answerer, index, (), None, listener)
    return nearest(columns, found.finished(), matches)


def _drawings(folder: Path | None, answerer: Answerer) -> Drawings | Plots | None:
    from dlw.verbs._drawings import Drawings
    from dlw.verbs._plots import Plots

    if folder is None:
        return None
    has_series = any(spec.kind == "series" for spec in answerer.fitted.inputs.values())
    return (Plots if has_series else Drawings)(folder, answerer.task, answerer.fitted.inputs)


def _answer_piece(
    answerer: Answerer,
    piece: Piece,
    keep: Sequence[str],
    drawings: Drawings | Plots | None,
    collected: _Collected,
    listener: Listener,
    is_tiled: bool,
) -> None:
    with named(piece):
        kept = _kept_columns(piece.table, answerer, keep)
        encoded = answerer.fitted.prompted.encode(piece.table, with_target=False, listener=listener, max_bad=None)
    collected.bad += [BadRow(piece.files[row], piece.row(row), reason) for row, column, reason in encoded.bad]
    rows = encoded.rows
    if not len(rows):
        return
    columns: dict[str, Any] = {FILE: [piece.files[row] for row in rows], ROW: [piece.row(row) for row in rows]}
    for name in kept:
        values = piece.table.column(name).to_pylist()
        columns[name if name not in columns else f"input_{name}"] = [values[row] for row in rows]
    names = [name_of(piece, row) for row in rows]
    if is_tiled:
        decoded = _decoded_tiles(answerer, piece.table, rows, names, drawings)
    elif answerer.writer is not None:
        scribe = Scribe(answerer.task, answerer.fitted, answerer.writer, answerer.team)
        decoded = {
            WRITTEN: scribe.texts(
                encoded.arrays, lambda done, of: listener.progress("written", done, of, {}), collected.num_rows
            )
        }
    else:
        answers = answerer.answer_rows(encoded.arrays)
        if drawings is not None:
            drawings.add(names, encoded.arrays, answers)
        decoded = in_given_pixels(answerer.task.decode(answers), answerer.fitted, piece.table, rows)
        decoded = on_given_pictures(decoded, answerer.fitted, piece.table, rows)
    collected.num_empty += num_empty(answerer.fitted, piece.table, rows)
    unseen = _unseen(answerer, piece.table, rows, encoded.arrays)
    if are_forecasts(answerer.task.output.kind):
        collected.add(*in_steps(columns, decoded, unseen))
        return
    columns |= {name if name not in columns else f"predicted_{name}": values for name, values in decoded.items()}
    collected.add(columns, unseen)


def _decoded_tiles(
    answerer: Answerer, table: pa.Table, rows: np.ndarray, names: Sequence[str], drawings: Drawings | Plots | None
) -> dict[str, list[Any]]:
    """Return the task's columns, picture by picture: each may have a size of its own."""
    group = next(iter(answerer.fitted.inputs))
    columns: dict[str, list[Any]] = {}
    for name, (pixels, answers) in zip(names, _tiles.answers(answerer, table, rows), strict=True):
        if drawings is not None:
            drawings.add([name], {group: pixels[None]}, answers)
        for column, values in answerer.task.decode(answers).items():
            columns.setdefault(column, []).append(next(iter(values)))
    return columns


def _kept_columns(table: pa.Table, answerer: Answerer, keep: Sequence[str]) -> list[str]:
    """Return the columns asked for, or else what the source tells rows apart by, or an `id` that is not read."""
    for name in keep:
        if name not in table.column_names:
            raise DataError(f"no column {name!r} to keep{did_you_mean(name, table.column_names)}")
    read = {column for spec in answerer.fitted.inputs.values() for column in spec.columns}
    if keep:
        return list(keep)
    of_source = told_apart(answerer.source, table.column_names)
    return of_source or [name for name in table.column_names if name.lower() == "id" and name not in read]


def _unseen(answerer: Answerer, table: pa.Table, rows: np.ndarray, arrays: Arrays) -> list[str | None]:
    """Return for each row the category columns that hold a value which training never saw, None if there are none."""
    names: list[list[str]] = [[] for _ in rows]
    spec = answerer.fitted.inputs.get("category")
    if spec is not None:
        for place, column in enumerate(spec.columns):
            values = table.column(column)
            for position in np.flatnonzero(arrays["category"][:, place] == 0):
                if values[int(rows[position])].is_valid:
                    names[position].append(column)
    return [", ".join(found) or None for found in names]


class _Collected:
    """Columns that grow piece by piece."""

    def __init__(self) -> None:
        self.columns: dict[str, list[Any]] = {}
        self.unseen: list[str | None] = []
        self.bad: list[BadRow] = []
        self.num_empty = 0

    @property
    def num_rows(self) -> int:
        return len(self.unseen)

    def add(self, columns: Mapping[str, Any], unseen: list[str | None]) -> None:
        """Append the rows of one piece; a column that an earlier piece lacked holds None there, and the reverse."""
        for name in [*columns, *(name for name in self.columns if name not in columns)]:
            grown = self.columns.setdefault(name, [None] * self.num_rows)
            values = columns.get(name, [None] * len(unseen))
            grown += values.tolist() if isinstance(values, np.ndarray) else values
        self.unseen += unseen

    def finished(self) -> dict[str, list[Any]]:
        """Return all columns, `unseen` among them only if it says something."""
        return {**self.columns, UNSEEN: self.unseen} if any(self.unseen) else self.columns
