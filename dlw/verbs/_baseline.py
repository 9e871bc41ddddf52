"""Ask every fitting baseline for its answers, on the training rows that the network learned from."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dlw import registry
from dlw.baselines._base import Ask, answered
from dlw.progress import Listener
from dlw.ragged import FILL, joined
from dlw.specs import TARGET, Arrays, FieldSpec, Outcome, ragged_kinds
from dlw.verbs._answers import encoded_for

if TYPE_CHECKING:
    import pyarrow as pa

    from dlw.verbs._fitted import Fitted
    from dlw.verbs._trained import Trained

CONSTANT = "constant"
MAX_PICTURES = 10_000
"""Training rows that are decoded for the baselines where a row holds a picture."""


@dataclass(frozen=True)
class Rival:
    """A baseline's answers for the rows that the network answered, what it was in words, and its time in seconds."""

    name: str
    note: str
    seconds: float
    outcome: Outcome


def fitting(kind: str, specs: dict[str, FieldSpec]) -> list[str]:
    """Return the baselines of the room that answer this kind of outcome and read all of these inputs."""
    inputs = {spec.kind for spec in specs.values()}
    modules = {name: registry.load("baselines", name) for name in registry.names("baselines")}
    reading = {name: module for name, module in modules.items() if inputs <= set(module.INPUTS)}
    return [
        name
        for name, module in reading.items()
        if kind in module.KINDS and (not hasattr(module, "fits") or module.fits(specs))
    ]


def rivals(
    trained: Trained,
    train: pa.Table,
    total: int,
    test: Arrays | None,
    rows: pa.Table,
    outcome: Outcome,
    listener: Listener,
    *,
    tuning: Arrays | None = None,
    recordings: np.ndarray | None = None,
) -> list[Rival]:
    """Fit the baselines on the training table and answer the test rows; the constant one comes first.

    `total` is how many training rows there are, where the table holds only some of them. `test` is None where the rows
    do not fit the memory: only the constant baseline, which does not look at them, is asked. `rows` are the test rows
    as they were given. `tuning` holds encoded validation rows with their target, on which the task finds a baseline's
    options as it found its own. `recordings` numbers the recording of each training row like the groups of the
    outcome. Where a task packs its texts, training texts come as windows that predict every token once.
    """
    fitted, seed = trained.fitted, trained.recipe.seed
    names = fitting(outcome.kind, fitted.inputs)
    if not names:
        return []
    if test is None:
        listener.warn(f"only the constant baseline is asked: {len(rows):,} rows do not fit data.memory_budget")
        names, tuning = [name for name in names if name == CONSTANT], None
        test = _unseen(fitted, len(rows))
    train = _few_pictures(fitted, train, seed)
    encoded = encoded_for(trained, train, listener)
    arrays = {name: encoded.arrays[name] for name in fitted.inputs}
    probe = _asked(fitted, test, tuning)
    size = outcome.prediction.shape[1] if outcome.prediction.ndim > 1 else 1
    size = len(outcome.names) if outcome.kind == "map" else size
    ask = Ask(
        outcome.kind,
        size,
        fitted.inputs,
        outcome.levels,
        seed,
        of_rows=total if len(train) < total else 0,
        names=outcome.names,
        season=outcome.season,
        train_group=None if recordings is None else recordings[encoded.rows],
        test_group=None if recordings is None else outcome.group,
    )
    ask = _with_texts(ask, fitted, train, rows, test)
    found = []
    for done, name in enumerate(sorted(names, key=lambda name: (name != CONSTANT, name))):
        listener.progress("baselines", done, len(names), {})
        start = time.perf_counter()
        answer = answered(registry.load("baselines", name).predict, arrays, encoded.arrays[TARGET], probe, ask)
        seconds = time.perf_counter() - start
        found.append(Rival(name, answer.note, seconds, _decided(trained, outcome, answer.prediction, tuning)))
    listener.progress("baselines", len(names), len(names), {})
    return found


def _few_pictures(fitted: Fitted, train: pa.Table, seed: int) -> pa.Table:
    """Leave out training rows at random where they hold more pictures than a baseline needs."""
    import pyarrow as pa

    if len(train) <= MAX_PICTURES or all(spec.kind != "image" for spec in fitted.inputs.values()):
        return train
    return train.filter(pa.array(np.random.default_rng(seed).permutation(len(train)) < MAX_PICTURES))


def _decided(trained: Trained, outcome: Outcome, prediction: np.ndarray, tuning: Arrays | None) -> Outcome:
    """Return the outcome of a baseline, decided by what its answers for the validation rows come to."""
    count = len(outcome.target)
    own = replace(outcome, prediction=prediction[:count])
    if tuning is None:
        return own
    return trained.task.decide_alike(own, replace(outcome, prediction=prediction[count:], target=tuning[TARGET]))


def _unseen(fitted: Fitted, count: int) -> Arrays:
    """Return arrays for rows that nobody looks at; they take no memory."""
    shapes = {name: (count, *spec.shape) for name, spec in fitted.inputs.items()}
    return {name: np.broadcast_to(np.zeros((), fitted.inputs[name].dtype), shape) for name, shape in shapes.items()}


def _asked(fitted: Fitted, test: Arrays, tuning: Arrays | None) -> Arrays:
    """Return the rows to answer: those of the test, behind them those of the validation where options are found."""
    probe = {name: test[name] for name in fitted.inputs}
    if tuning is None:
        return probe
    kinds = ragged_kinds(fitted.inputs)
    return {
        name: joined([array, tuning[name]], FILL[kinds[name]] if name in kinds else 0) for name, array in probe.items()
    }


def _with_texts(ask: Ask, fitted: Fitted, train: pa.Table, rows: pa.Table, test: Arrays) -> Ask:
    """Add what baselines of texts are asked about beside the encoded rows."""
    if ask.kind == "nats":
        return replace(ask, truth=test[TARGET])
    if ask.kind != "texts" or any(spec.kind != "tokens" for spec in fitted.inputs.values()):
        return ask
    column = next(column.name for column in fitted.columns if column.role == "input")
    return replace(
        ask,
        read_texts=_texts(rows[column]),
        learned_from=_texts(train[column]),
        learned_texts=_texts(train[fitted.target.columns[0]]),
    )


def _texts(column: pa.ChunkedArray) -> list[str]:
    """Return values as text; a missing one is an empty text, as the field reads it."""
    return ["" if value is None else str(value) for value in column.to_pylist()]
