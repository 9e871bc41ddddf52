"""The answers of a trained network to the rows of a table, laid beside the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw.errors import DataError
from dlw.progress import Listener
from dlw.shards import ShardedTable
from dlw.specs import TARGET, Arrays, Outcome, rows_at_once
from dlw.verbs._batches import Reader, from_disk, pack, window_arrays
from dlw.verbs._fitted import EncodedTable
from dlw.verbs._writing import WRITTEN, Scribe

if TYPE_CHECKING:
    import pyarrow as pa

    from dlw.engine.team import Team
    from dlw.verbs._trained import Trained


def encoded_for(trained: Trained, table: pa.Table, listener: Listener) -> EncodedTable:
    """Encode a table with its target; where a task packs its texts, the rows are those that each window begins in."""
    packing, max_bad = trained.task.packing, trained.recipe.data.max_bad
    if packing is None:
        return trained.fitted.encode(table, with_target=True, listener=listener, max_bad=max_bad)
    windows = pack(trained.fitted, packing, table, False, listener, max_bad)
    every = np.arange(len(windows.starts))
    return EncodedTable(window_arrays(trained.fitted, windows, every), windows.rows, [])


def answered(
    trained: Trained, encoded: EncodedTable, table: pa.Table, listener: Listener, team: Team | None = None
) -> tuple[Arrays, Outcome]:
    """Answer the encoded rows; networks that are told the target in training write without it.

    The processes of a team share the work, and each gets all answers.
    """
    from dlw.engine.inference import answer_arrays

    task, total = trained.task, len(encoded.rows)
    if task.output.is_told:
        truth = table[trained.fitted.target.columns[0]].take(encoded.rows)
        return _written(trained, encoded.arrays, truth.to_pylist(), listener, team)
    listener.progress("answers", 0, total, {})
    # Windows are of one length; cut by itself, a target that ends in what is not learned would be the shorter one.
    ragged = None if task.packing else trained.fitted.ragged
    answers = answer_arrays(trained.predictor, encoded.arrays, ragged=ragged, is_condensed=True, team=team)
    listener.progress("answers", total, total, {})
    return answers, task.outcome(answers, encoded.arrays[TARGET])


def answered_from_disk(
    trained: Trained, table: ShardedTable, listener: Listener
) -> tuple[Arrays, Outcome, np.ndarray, int]:
    """Answer a table that does not fit the memory even when encoded; return also the rows that could be used, and how
    many could not. DataError for networks that write: their texts are not answered in parts."""
    from dlw.engine.inference import answer_batches

    task, fitted = trained.task, trained.fitted
    if task.output.is_written:
        raise DataError(
            f"{len(table):,} rows do not fit data.memory_budget, and texts are written for rows in memory: evaluate "
            "fewer rows, or set a larger budget"
        )
    table = table.select([column.name for column in fitted.columns if not column.is_dropped])
    reader = Reader(fitted, table, trained.recipe.data.max_bad, listener)
    batches = from_disk(reader, trained.hardware, trained.recipe.train.workers)
    at_once = rows_at_once(spec.shape for spec in fitted.inputs.values())
    listener.progress("answers", 0, len(table), {})
    found = answer_batches(trained.predictor, batches, at_once)
    assert found is not None
    assert found.target is not None
    listener.progress("answers", len(table), len(table), {})
    rows = np.setdiff1d(np.arange(len(table)), np.fromiter(reader.bad, np.int64))
    return found.answers, task.outcome(found.answers, found.target), rows, len(reader.bad)


def _written(
    trained: Trained, arrays: Arrays, truth: Sequence[Any], listener: Listener, team: Team | None
) -> tuple[Arrays, Outcome]:
    from dlw.engine.writing import NetworkWriter

    scribe = Scribe(trained.task, trained.fitted, NetworkWriter(trained.predictor.network), team)
    texts = scribe.texts(arrays, lambda done, total: listener.progress("written", done, total, {}))
    answers = {WRITTEN: np.array(texts, object)}
    return answers, Outcome("texts", answers[WRITTEN], np.array([str(text) for text in truth], object))
