"""`explain`: why a run answers rows as it does, or what each of its inputs is worth over a split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw import registry
from dlw.errors import DataError, UsageError
from dlw.explainers._base import Survey, Worth
from dlw.metrics._base import value_of
from dlw.progress import Listener, Silent
from dlw.recipe.schema import Block
from dlw.runs.disk import finite, write_json
from dlw.specs import TARGET, Arrays, Outcome
from dlw.verbs._answers import encoded_for
from dlw.verbs._asked import asked_rows, named
from dlw.verbs._bundle import is_bundle
from dlw.verbs._intervals import resample
from dlw.verbs._judged import OTHER_ROWS, laid_out, refuse_kind, tables_of
from dlw.verbs._network import headline
from dlw.verbs._reasoning import Reasoner, about, method, parts_of
from dlw.verbs._reasons import MOST_ROWS, Reasons, RowReason

if TYPE_CHECKING:
    from dlw.verbs._trained import Trained

GLOBAL = "permutation"
"""The method where no rows are given, unless another is named."""


@dataclass(frozen=True)
class RowReasons:
    """Reasons for the answers to some rows; `unit` says in words what the numbers are."""

    run: str
    unit: str
    rows: tuple[RowReason, ...]
    left_out: int

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able mapping."""
        rows = [row.to_json() for row in self.rows]
        return {"run": self.run, "unit": self.unit, "left_out": self.left_out, "rows": rows}


@dataclass(frozen=True)
class InputWorth:
    """What each input is worth: how much the metric loses without it, with 95 % intervals; `score` is with all."""

    run: str
    method: str
    split: str
    rows: int
    metric: str
    score: float
    inputs: tuple[Worth, ...]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able mapping; what is undefined is null."""
        inputs = [{"name": one.name, "loss": one.value, "low": one.low, "high": one.high} for one in self.inputs]
        told = {"run": self.run, "method": self.method, "split": self.split, "rows": self.rows}
        found: dict[str, Any] = finite({**told, "metric": self.metric, "score": self.score, "inputs": inputs})
        return found


def explain_rows(
    run: Path,
    inputs: Sequence[str] = (),
    *,
    text: Sequence[str] = (),
    name: str | None = None,
    of: str | None = None,
    split: str | None = None,
    data: Path | None = None,
    sets: Sequence[str] = (),
    output: Path | None = None,
    most: int = MOST_ROWS,
    listener: Listener | None = None,
) -> RowReasons:
    """Say why rows are answered as they are, by the method of a `name` or the first that fits what the run reads.

    `of` names the class, label or target that is explained (None: the answer). Methods that compare a row with others
    take those from a `split` (None: train) of the recipe's data or from `data`. At most so many rows are explained.
    With a folder `output`, numbers and drawings are written there.
    """
    listener = listener or Silent()
    trained = opened(run, listener)
    reasoner = Reasoner(trained, name, sets, of, split, data, listener)
    reasons = Reasons(reasoner, trained.fitted, output, most, listener)
    source = trained.recipe.data.source
    bad = 0
    for piece in asked_rows(trained.fitted, source if isinstance(source, Block) else None, inputs, text, listener):
        with named(piece):
            encoded = trained.fitted.encode(piece.table, with_target=False, listener=listener, max_bad=None)
        for row, _, reason in encoded.bad:
            listener.warn(f"no reasons for {piece.files[row]}, row {piece.row(row)}: {reason}")
        bad += len(encoded.bad)
        if len(encoded.rows):
            reasons.add(piece, encoded.rows, encoded.arrays)
    if not reasons.rows:
        raise DataError(f"none of {bad} rows can be used")
    found = RowReasons(str(run), reasoner.unit, tuple(reasons.rows), reasons.left_out)
    if output is not None:
        write_json(output / "reasons.json", found.to_json())
    return found


def explain_split(
    run: Path,
    *,
    name: str | None = None,
    metric: str | None = None,
    split: str | None = None,
    data: Path | None = None,
    sets: Sequence[str] = (),
    output: Path | None = None,
    listener: Listener | None = None,
) -> InputWorth:
    """Say what each input is worth on a split (None: test) of the recipe's data, or on the rows at `data`.

    `metric` None means the one that `dlw evaluate` puts first. With a folder `output`, the numbers are written there.
    """
    listener = listener or Silent()
    chosen = method(name or GLOBAL, sets)
    if chosen.module.ABOUT != "split":
        raise UsageError(
            f"{chosen.name} is about single rows: name some; of a split there are {', '.join(about('split'))}"
        )
    trained = opened(run, listener)
    parts = parts_of(trained.fitted)
    if len(parts) < 2:
        raise UsageError(
            f"{run}: reads one input, {parts[0].name}: there are no several to compare; name rows to explain"
        )
    if trained.task.output.is_written:
        raise UsageError(f"{run}: writes texts, which {chosen.name} does not judge")
    split = OTHER_ROWS if data is not None else split or "test"
    table = tables_of(trained, split, data, listener)[split]
    encoded = encoded_for(trained, table, listener)
    some = _some(len(encoded.rows), getattr(chosen.settings, "rows", None), trained.recipe.seed)
    arrays = {name: array[some] for name, array in encoded.arrays.items()}
    judged = table.take(encoded.rows[some])
    metric = metric or headline(trained.recipe, trained.task)
    lay_out = partial(laid_out, trained, split, judged)
    measure = partial(_measured, trained, metric, getattr(chosen.settings, "resamples", 0), lay_out)
    survey = Survey(
        arrays, parts, measure, trained.recipe.seed, lambda done, of: listener.progress("inputs", done, of, {})
    )
    module = registry.load("metrics", metric)
    score = float(measure(arrays)[0]) * (1 if module.HIGHER_IS_BETTER else -1)
    found = tuple(chosen.module.build(chosen.settings)(survey))
    worth = InputWorth(str(run), chosen.name, split, len(arrays[TARGET]), metric, score, found)
    if output is not None:
        write_json(output / f"{chosen.name}-{split}.json", worth.to_json())
    return worth


def opened(run: Path, listener: Listener) -> Trained:
    """Open a run; UsageError for a bundle, which holds no network that gradients could go through."""
    from dlw.verbs._trained import open_trained

    if is_bundle(run):
        raise UsageError(f"{run}: is an exported bundle; reasons come from the run itself: name its directory")
    return open_trained(run, listener=listener)


def _some(total: int, most: int | None, seed: int) -> np.ndarray:
    """Return the places of at most so many of `total` rows, in order."""
    if most is None or total <= most:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).permutation(total)[:most])


def _measured(
    trained: Trained, metric: str, resamples: int, lay_out: Callable[[Outcome], Outcome], arrays: Arrays
) -> np.ndarray:
    """Return the metric of the answers to some rows, and on resamples of them; the sign makes higher better."""
    from dlw.engine.inference import answer_arrays

    module = registry.load("metrics", metric)
    answers = answer_arrays(trained.predictor, arrays, ragged=trained.fitted.ragged, is_condensed=True)
    outcome = lay_out(trained.task.outcome(answers, arrays[TARGET]))
    refuse_kind({metric: module}, outcome.kind)
    drawn = resample({"": outcome}, {metric: module}, resamples, trained.recipe.seed)[""][metric]
    return np.concatenate([[value_of(module, outcome)], drawn]) * (1 if module.HIGHER_IS_BETTER else -1)
