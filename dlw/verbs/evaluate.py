"""`dlw evaluate`: honest scores of a run, with intervals, plain baselines beside them, and the protocol in words."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw import registry
from dlw.errors import RequirementError, UsageError
from dlw.progress import Listener, Silent
from dlw.recipe.check import settings
from dlw.recipe.conditions import Condition
from dlw.recipe.schema import Recipe
from dlw.shards import ShardedTable, loaded, sampled
from dlw.specs import Arrays, Outcome
from dlw.verbs import _digests, _groups, _outcomes, _protocol, _reliability, _replies, _requirements, _slices
from dlw.verbs._answers import answered, answered_from_disk, encoded_for
from dlw.verbs._baseline import Rival, rivals
from dlw.verbs._judged import OTHER_ROWS, laid_out, refuse_kind, tables_of
from dlw.verbs._memory import budget_bytes, with_budget
from dlw.verbs._objects import in_given_pixels
from dlw.verbs._recordings import alike
from dlw.verbs._replies import Replies
from dlw.verbs._scores import BaselineFit, Evaluation, Gap, Group, scored
from dlw.verbs._together import cache_of

if TYPE_CHECKING:
    import pyarrow as pa

    from dlw.engine.team import Team
    from dlw.verbs._fitted import Fitted
    from dlw.verbs._trained import Trained


@dataclass(frozen=True)
class Judged:
    """The rows that are judged and the network's answers for them."""

    split: str
    source: str
    table: pa.Table
    rows: np.ndarray
    left_out: int
    arrays: Arrays | None
    """The encoded rows; None where they do not fit the memory."""
    answers: Arrays
    outcome: Outcome
    replies: Replies = field(default_factory=Replies)
    """What the network wrote beside, for metrics that read texts."""

    def kept(self, columns: Sequence[str]) -> pa.Table:
        """Return some columns of the rows that were answered."""
        table = self.table.select(list(columns))
        return table if np.array_equal(self.rows, np.arange(len(table))) else table.take(self.rows)

    def encoded(self, place: int, fitted: Fitted) -> Arrays:
        """Return one of the rows that were answered, encoded with its target."""
        if self.arrays is not None:
            return {name: array[place] for name, array in self.arrays.items()}
        row = loaded(self.table.take(self.rows[[place]]))
        arrays = fitted.encode(row, with_target=True, listener=Silent(), max_bad=None).arrays
        return {name: array[0] for name, array in arrays.items()}


def evaluate(
    run: Path,
    *,
    split: str = "test",
    data: Path | None = None,
    slices: Sequence[str] = (),
    require: Sequence[str] = (),
    listener: Listener | None = None,
    team: Team | None = None,
) -> Evaluation:
    """Judge a run on a split of its data, or on the rows at a path, and write scores and predictions into the run.

    `slices` and `require` come on top of the recipe's own. The first process of a `team` calls this while the others
    call `assist`. Raises RequirementError, with the Evaluation as its `result`, after everything is written.
    """
    from dlw.verbs._trained import open_trained

    listener = listener or Silent()
    split = split if data is None else OTHER_ROWS
    asked = [_requirements.read(text) for text in require]
    for one in asked:
        if one.split not in ("", split):
            raise UsageError(f"require {one.text!r}: this evaluates the {split} split, not {one.split}")
    trained = open_trained(run, listener=listener, place=team.place if team else None)
    if team:
        trained = _agreed(trained, team)
    recipe = trained.recipe
    asked += _from_recipe(recipe, split, listener)
    metrics = _metrics(trained, [one.metric for one in asked if not one.column])
    tables = tables_of(trained, split, data, listener, cache_of(trained.run, team))
    columns = list(dict.fromkeys([*recipe.evaluate.slices, *slices, *(one.column for one in asked if one.column)]))
    _slices.check_columns(columns, tables[split].column_names, "--slice")
    judged = _judge(trained, split, tables[split], data, metrics, listener, team)
    own = {name: module for name, module in metrics.items() if name not in judged.replies.metrics}
    of_slices = _groups.slice_metrics(judged.outcome, own, [one.metric for one in asked if one.column])
    refuse_kind({**own, **of_slices}, judged.outcome.kind)
    found: list[Rival] = []
    if recipe.evaluate.baseline:
        rows, train = judged.kept(judged.table.column_names), sampled(tables["train"], budget_bytes(recipe) // 8)
        found = rivals(
            trained,
            train,
            len(tables["train"]),
            judged.arrays,
            rows,
            judged.outcome,
            listener,
            tuning=_tuning(trained, tables, listener),
            recordings=alike(train, judged.outcome, rows, recipe.evaluate.within),
        )
    groups = _groups.sliced(judged.outcome, judged.kept(columns), of_slices, recipe)
    evaluation = _evaluation(trained, judged, own, found, groups, asked, tables["train"])
    _write(trained, judged, evaluation, listener)
    for text in evaluation.warnings:
        listener.warn(text)
    unmet = [verdict for verdict in evaluation.requirements if not verdict.is_met]
    if unmet:
        told = "; ".join(f"{verdict.text} is not met: found {verdict.value:.6g}" for verdict in unmet)
        raise RequirementError(f"{trained.run.folder}: {told}", evaluation)
    return evaluation


def assist(run: Path, team: Team, *, split: str = "test", data: Path | None = None) -> None:
    """Do the share of a process that is not the first: answer some of the rows; see `evaluate`."""
    from dlw.verbs._trained import open_trained

    split = split if data is None else OTHER_ROWS
    trained = _agreed(open_trained(run, place=team.place), team)
    cache = cache_of(trained.run, team)
    table = tables_of(trained, split, data, Silent(), cache)[split]
    if not _stays_on_disk(trained, table):
        answered(trained, encoded_for(trained, table, Silent()), table, Silent(), team)
    shutil.rmtree(cache, ignore_errors=True)


def _agreed(trained: Trained, team: Team) -> Trained:
    """Give all processes the first one's memory budget: each sees other free memory, and all must read rows alike."""
    return replace(trained, recipe=with_budget(trained.recipe, team.tell(budget_bytes(trained.recipe))))


def _stays_on_disk(trained: Trained, table: pa.Table | ShardedTable) -> bool:
    """Say whether rows are too many to be encoded in memory; the first process then answers them alone."""
    is_large = trained.fitted.row_bytes * len(table) > budget_bytes(trained.recipe) // 4
    return isinstance(table, ShardedTable) and trained.task.packing is None and is_large


def _from_recipe(recipe: Recipe, split: str, listener: Listener) -> list[Condition]:
    """Return the recipe's requirements of this split; one that names no split is of the test split."""
    requirements = [_requirements.read(text) for text in recipe.evaluate.require]
    skipped = [one.text for one in requirements if (one.split or "test") != split]
    if skipped:
        listener.line(f"not judged on the {split} split: {'; '.join(skipped)}")
    return [one for one in requirements if (one.split or "test") == split]


def _metrics(trained: Trained, required: list[str]) -> dict[str, ModuleType]:
    from dlw.verbs._network import headline, metric_names

    recipe = trained.recipe
    names = dict.fromkeys([headline(recipe, trained.task), *metric_names(recipe, trained.task), *required])
    return {name: registry.load("metrics", name) for name in names if name}


def _judge(
    trained: Trained,
    split: str,
    table: pa.Table,
    data: Path | None,
    metrics: Mapping[str, ModuleType],
    listener: Listener,
    team: Team | None,
) -> Judged:
    arrays: Arrays | None = None
    if _stays_on_disk(trained, table):
        answers, outcome, rows, left_out = answered_from_disk(trained, table, listener)
    else:
        encoded = encoded_for(trained, table, listener)
        answers, outcome = answered(trained, encoded, table, listener, team)
        arrays, rows, left_out = encoded.arrays, encoded.rows, len({row for row, _, _ in encoded.bad})
    outcome = laid_out(trained, split, table.take(rows), outcome)
    source = _protocol.source(trained.recipe) if data is None else f"{data}; all rows"
    replies = _replies.replies(trained, table, metrics, outcome.kind, listener)
    return Judged(split, source, table, rows, left_out, arrays, answers, outcome, replies)


def _tuning(trained: Trained, tables: Mapping[str, pa.Table], listener: Listener) -> Arrays | None:
    """Return the encoded validation rows, where the task finds options on them that its baselines then find as well."""
    options = settings("tasks", trained.recipe.task)
    asked = getattr(registry.load("tasks", trained.recipe.task.type), "FOUND_BY", {}).values()
    if all(getattr(options, by) is None for by in asked):
        return None
    return encoded_for(trained, sampled(tables["validation"], budget_bytes(trained.recipe) // 8), listener).arrays


def _evaluation(
    trained: Trained,
    judged: Judged,
    metrics: Mapping[str, ModuleType],
    found: Sequence[Rival],
    sliced: tuple[tuple[Group, ...], tuple[Gap, ...]],
    asked: Sequence[Condition],
    train: pa.Table,
) -> Evaluation:
    from dlw.verbs._network import headline

    recipe = trained.recipe
    scores = scored(judged.outcome, metrics, found, recipe.evaluate.bootstrap, recipe.seed)
    more = judged.replies
    scores += scored(more.outcome, more.metrics, [], recipe.evaluate.bootstrap, recipe.seed)
    groups, gaps = sliced
    values = {(one.metric, ""): one.value for one in scores}
    values |= {(gap.metric, gap.column): gap.difference.value for gap in gaps}
    fits = tuple(BaselineFit(one.name, one.note, one.seconds) for one in found)
    shown = next(one for one in scores if one.metric == headline(recipe, trained.task))
    facts = _facts(trained, judged, train, metrics)
    trust = _reliability.reliability(judged.outcome, facts.temperature)
    return Evaluation(
        run=str(trained.run.folder),
        split=judged.split,
        rows=len(judged.rows),
        step=trained.step,
        headline=shown.metric,
        scores=scores,
        baselines=fits,
        parts=_groups.parts(judged.outcome, metrics, recipe),
        slices=groups,
        gaps=gaps,
        reliability=trust,
        protocol=(
            *_protocol.sentences(recipe, judged.outcome, facts, fits),
            *_protocol.differences(shown),
            *_groups.explained(gaps),
        ),
        warnings=(
            *_protocol.comparisons(shown, judged.split),
            *_groups.warnings(groups, gaps),
            *_reliability.warnings(trust),
        ),
        requirements=tuple(_requirements.judge(one, values) for one in asked),
        folder=str(trained.run.evaluation(judged.split)),
        unit=trained.task.unit,
    )


def _facts(trained: Trained, judged: Judged, train: pa.Table, metrics: Mapping[str, ModuleType]) -> _protocol.Facts:
    from dlw.verbs._leaks import compared, row_codes
    from dlw.verbs._network import monitored
    from dlw.verbs._rows import are_sharded

    recipe = trained.recipe
    repeated: int | None = 0
    if are_sharded({"judged": judged.table, "train": train}):
        repeated = None
    elif judged.split != "train":
        columns = trained.fitted.columns
        inputs = [column.name for column in columns if column.role == "input"]
        names = compared(inputs, {column.name: column.type for column in columns if column.role == "target"})
        codes = row_codes({"judged": judged.table, "train": train}, names)
        repeated = int(np.isin(codes["judged"], codes["train"]).sum())
    chosen = f"step {trained.step:,}, the last one"
    if (trained.run.checkpoints / "best").is_file():
        chosen = f"step {trained.step:,}, chosen by {monitored(recipe, trained.task)[0]}"
    if recipe.train.ema_decay:
        chosen += f", weights averaged with decay {recipe.train.ema_decay:g}"
    options = settings("tasks", recipe.task)
    searched = set(getattr(registry.load("tasks", recipe.task.type), "FOUND_BY", {}).values())
    return _protocol.Facts(
        split=judged.split,
        source=judged.source,
        left_out=judged.left_out,
        repeated=repeated,
        checkpoint=chosen,
        positive_from="named by the recipe" if getattr(options, "positive", None) else "the rarer in training",
        temperature=getattr(options, "temperature", None),
        found=frozenset(by for by in searched if getattr(options, by) is not None),
        resamples=recipe.evaluate.bootstrap,
        seed=recipe.seed,
        told=(
            *trained.task.protocol(judged.outcome),
            *_protocol.explained(metrics, judged.outcome),
            *judged.replies.protocol(trained),
            *_protocol.explained(judged.replies.metrics, judged.replies.outcome),
        ),
        look_back=max((spec.shape[0] for spec in trained.fitted.inputs.values() if spec.kind == "series"), default=0),
    )


def _write(trained: Trained, judged: Judged, evaluation: Evaluation, listener: Listener) -> None:
    from dlw.runs.disk import discard, write_atomic, write_json
    from dlw.verbs._report.write import report
    from dlw.verbs._tables import table_bytes

    folder = trained.run.evaluation(judged.split)
    write_json(folder / "metrics.json", evaluation.to_json())
    write_atomic(folder / "predictions.parquet", table_bytes(_predictions(trained, judged, listener), ".parquet"))
    write_atomic(folder / _outcomes.FILE, _outcomes.to_bytes(judged.outcome, _row_digests(trained, judged)))
    if judged.replies.metrics:
        write_atomic(folder / _replies.FILE, _replies.to_bytes(judged.replies))
    else:
        discard(folder / _replies.FILE)
    write_atomic(folder / "report.html", report(trained, judged, evaluation).encode())


def _row_digests(trained: Trained, judged: Judged) -> dict[str, str]:
    """Return the sha256 of each column of the judged rows; lists are left out, whose length a recipe may choose."""
    from pyarrow import types

    from dlw.columns import is_list

    kinds = {name: judged.table.schema.field(name).type for name in judged.table.column_names}
    plain = [name for name, kind in kinds.items() if not (is_list(kind) or types.is_null(kind))]
    kept = judged.kept(plain)
    if isinstance(kept, ShardedTable):
        kept = kept.gather(plain, budget_bytes(trained.recipe) // 8)
    return _digests.of_columns(kept, kept.column_names)


def _predictions(trained: Trained, judged: Judged, listener: Listener) -> dict[str, Any]:
    """Return row numbers, columns that are neither input nor target, the truth and the answers."""
    import pyarrow as pa

    table = judged.table
    used = {column.name for column in trained.fitted.columns}
    targets = [column.name for column in trained.fitted.columns if column.role == "target"]
    kinds = {name: table.schema.field(name).type for name in table.column_names if name not in used}
    others = [name for name, kind in kinds.items() if not (pa.types.is_nested(kind) or pa.types.is_binary(kind))]
    kept = judged.kept([*others, *targets])
    if isinstance(kept, ShardedTable):
        kept = kept.gather([*targets, *others], budget_bytes(trained.recipe) // 8)
        if left := [name for name in (*others, *targets) if name not in kept.column_names]:
            listener.line(f"predictions.parquet is without {', '.join(left)}: too large for data.memory_budget")
        others, targets = ([name for name in names if name in kept.column_names] for names in (others, targets))
    truth = {"truth" if len(targets) == 1 else f"truth_{name}": kept[name] for name in targets}
    if judged.outcome.kind.startswith("forecast"):
        came = judged.outcome.target
        truth = {f"truth_{name}": came[:, :, place] for place, name in enumerate(judged.outcome.names)}
    answers = in_given_pixels(trained.task.decode(judged.answers), trained.fitted, table, judged.rows)
    taken = {"row", *truth, *answers}
    ids = {f"{name}_given" if name in taken else name: kept[name] for name in others}
    return {"row": judged.rows, **ids, **truth, **answers}
