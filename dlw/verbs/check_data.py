"""`data check`: what a recipe's data would do to a training and to its score, said before any training."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlw.progress import Heard, Listener, Silent
from dlw.recipe.check import load_recipe
from dlw.specs import TARGET
from dlw.verbs._checks import drift, labels, repeats
from dlw.verbs._checks.findings import SHOWN, ColumnFacts, DataCheck, Finding
from dlw.verbs._fit import fit
from dlw.verbs._fitted import EncodedTable, Fitted
from dlw.verbs._leaks import compared
from dlw.verbs._rows import is_known, load_tables, resolve_inputs

if TYPE_CHECKING:
    import pyarrow as pa

MUCH_MISSING = 0.5
MISSING_GAP = 0.1
"""Difference in the share of missing values between splits from which on it is told."""


def check_data(
    reference: str | Path, *, sets: Sequence[str] = (), is_sandboxed: bool = False, listener: Listener | None = None
) -> DataCheck:
    """Read the recipe's data as `train` would and return what was found; DataError where it could not be trained on."""
    listener = listener or Silent()
    loaded = load_recipe(reference, sets, is_sandboxed=is_sandboxed)
    for note in loaded.notes:
        listener.line(note)
    recipe = loaded.recipe.model_copy(update={"data": loaded.recipe.data.model_copy(update={"strict": False})})
    with tempfile.TemporaryDirectory(prefix="dlw-data-") as cache:
        tables = load_tables(recipe, loaded.root, Path(cache), Silent(), sys.maxsize)  # it compares all rows
        recipe = resolve_inputs(recipe, tables["train"], listener)
        fitted = fit(recipe, tables["train"], listener)
        heard = {split: Heard(Silent()) for split in tables}
        encoded = {
            split: fitted.encode(table, with_target=True, listener=heard[split], max_bad=None)
            for split, table in tables.items()
        }
    columns = tuple(_columns(fitted, tables))
    inputs = [column.name for column in fitted.columns if column.role == "input"]
    targets = {column.name: column.type for column in fitted.columns if column.role == "target"}
    classes = _classes(fitted, encoded)
    findings = [
        *_unreadable(encoded, tables),
        *(Finding("reading", "warning", f"{split}: {text}") for split in heard for text in heard[split].warnings),
        *_missing(columns),
        *repeats.equal_rows(tables, compared(inputs, targets), list(targets)),
        *_of_arrays(fitted, encoded, recipe.seed, listener),
        *labels.balance(classes),
    ]
    rows = {split: len(table) for split, table in tables.items()}
    order = sorted(findings, key=lambda finding: finding.severity != "warning")
    return DataCheck(recipe.name, rows, columns, classes, tuple(order))


def _of_arrays(fitted: Fitted, encoded: Mapping[str, EncodedTable], seed: int, listener: Listener) -> Iterator[Finding]:
    arrays = {split: table.arrays for split, table in encoded.items() if len(table.rows)}
    if "train" not in arrays:
        return
    yield from repeats.near_twins(arrays, {split: table.rows for split, table in encoded.items()}, fitted.inputs)
    yield from drift.drifts(arrays, fitted.inputs)
    if fitted.own_target is None and fitted.target.kind == "category":
        train = arrays["train"]
        yield from labels.suspects(
            train, train[TARGET], encoded["train"].rows, fitted.inputs, fitted.target, seed, listener
        )


def _columns(fitted: Fitted, tables: Mapping[str, pa.Table]) -> Iterator[ColumnFacts]:
    for column in fitted.columns:
        missing = {split: 1 - float(is_known(table[column.name]).mean()) for split, table in tables.items()}
        yield ColumnFacts(column.name, column.type, column.role, missing)


def _missing(columns: Sequence[ColumnFacts]) -> Iterator[Finding]:
    for column in columns:
        shares = column.missing
        if shares["train"] >= MUCH_MISSING:
            text = f"{column.name} has no value in {100 * shares['train']:.0f} % of the training rows"
            yield Finding("missing", "note", text)
        apart = {split: share for split, share in shares.items() if abs(share - shares["train"]) > MISSING_GAP}
        for split, share in apart.items():
            text = (
                f"{column.name} has no value in {100 * share:.0f} % of {split}, {100 * shares['train']:.0f} % of train"
            )
            yield Finding("missing", "warning", text)


def _classes(fitted: Fitted, encoded: Mapping[str, EncodedTable]) -> dict[str, dict[str, int]]:
    if fitted.own_target is not None or fitted.target.kind != "category":
        return {}
    names = fitted.target.labels
    counts = {
        split: np.bincount(table.arrays[TARGET][table.arrays[TARGET] < len(names)], minlength=len(names))
        for split, table in encoded.items()
    }
    return {name: {split: int(count[place]) for split, count in counts.items()} for place, name in enumerate(names)}


def _unreadable(encoded: Mapping[str, EncodedTable], tables: Mapping[str, pa.Table]) -> Iterator[Finding]:
    for split, table in encoded.items():
        rows = sorted({row for row, _, _ in table.bad})
        if rows:
            told = "; ".join(f"row {row}: {why}" for row, _, why in table.bad[:SHOWN])
            text = f"{len(rows):,} of {len(tables[split]):,} {split} rows cannot be used: {told}"
            yield Finding("unreadable", "warning", text, tuple(rows[:SHOWN]))
