"""A training session: the run directory, recipe and fitted fields of a new or a continued run."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw.errors import DataError, RunError, UsageError
from dlw.progress import Listener
from dlw.recipe._show import on_one_line
from dlw.recipe.check import load_recipe
from dlw.recipe.compose import dump, resolve
from dlw.recipe.difference import leaves
from dlw.recipe.schema import Recipe
from dlw.runs import disk, environment, store
from dlw.runs.journal import Journal
from dlw.runs.layout import Run
from dlw.runs.seal import of_file, write_seal
from dlw.specs import Arrays
from dlw.verbs import _digests
from dlw.verbs._cache import Cache
from dlw.verbs._fit import fit
from dlw.verbs._fitted import Fitted
from dlw.verbs._memory import budget_bytes, with_budget
from dlw.verbs._pinned import pinned
from dlw.verbs._rows import are_sharded, load_tables, resolve_inputs
from dlw.verbs._slices import check_columns
from dlw.verbs._together import Onlooker, cache_of
from dlw.verbs._trained import read_fitted, restore

if TYPE_CHECKING:
    import pyarrow as pa

    from dlw.engine.loop import Job
    from dlw.engine.progress import Progress
    from dlw.engine.team import Team


@dataclass(frozen=True)
class Session:
    """What a new and a continued run have in common before the first step."""

    run: Run
    recipe: Recipe
    fitted: Fitted
    tables: Mapping[str, pa.Table]
    cache: Path
    """The folder that sources wrote to; it may go once the rows are encoded."""
    team: Team | None = None
    kept: Cache | None = None
    """Where encoded rows are kept for other runs."""


def begin(
    reference: str | Path,
    sets: Sequence[str],
    run: Run,
    listener: Listener,
    is_sandboxed: bool = False,
    team: Team | None = None,
    kept: Cache | None = None,
) -> Session:
    """Read recipe and data, fit the fields and write all of it into a new run directory.

    The recipe as written comes last: with it the run can be continued, without it `train` begins again.
    """
    loaded = load_recipe(reference, sets, is_sandboxed=is_sandboxed)
    for note in loaded.notes:
        listener.line(note)
    cache, budget = cache_of(run, team), budget_bytes(loaded.recipe)
    tables = load_tables(loaded.recipe, loaded.root, cache, listener, budget, kept.known if kept else None)
    check_columns(loaded.recipe.evaluate.slices, tables["train"].column_names, "evaluate.slices:")
    # The order of rows on disk follows from the budget: what the free memory came to is kept with the run.
    is_found = are_sharded(tables) and loaded.recipe.data.memory_budget is None
    recipe = with_budget(loaded.recipe, budget) if is_found else loaded.recipe
    recipe = resolve_inputs(recipe, tables["train"], listener)
    recipe = pinned(recipe, loaded.root)
    fitted = kept.fit(recipe, tables["train"]) if kept else fit(recipe, tables["train"], listener)
    disk.write_json(run.fields, fitted.to_json())
    resolved, written = dump(resolve(recipe)).encode(), loaded.text.encode()
    disk.write_atomic(run.resolved, resolved)
    contents = {run.recipe: written, run.resolved: resolved, run.fields: run.fields.read_bytes()}
    data = _digests.describe(recipe.data.source, loaded.root, tables, kept.of_file if kept else of_file)
    write_seal(run, {file.name: content for file, content in contents.items()}, data)
    disk.write_atomic(run.recipe, written)
    return Session(run, recipe, fitted, tables, cache, team, kept)


def reopen(run: Run, listener: Listener, team: Team | None, kept: Cache | None) -> Session:
    """Read recipe, data and fitted fields of an existing run; nothing is fitted again.

    Rows that were in memory are there again, whatever is free now.
    """
    loaded = load_recipe(run.resolved)
    for note in loaded.notes:
        listener.line(note)
    cache = cache_of(run, team)
    budget = sys.maxsize if loaded.recipe.data.memory_budget is None else None
    tables = load_tables(loaded.recipe, loaded.root, cache, listener, budget)
    return Session(run, loaded.recipe, read_fitted(run), tables, cache, team, kept)


_WITHOUT_BITS = (
    *("name", "evaluate", "export", "benchmark", "search", "data.source", "data.resident", "checkpoint.keep"),
    *("train.device", "train.threads", "train.workers", "train.tensorboard", "train.shard"),
)
"""Parts of a recipe that change no weight, or that the fingerprint holds as they turned out."""


def fingerprint(
    arrays: Arrays, code: Sequence[tuple[str, str, str]], device: str, recipe: Recipe, team: Team | None = None
) -> dict[str, Any]:
    """Return what must be equal for an exact resume: versions, threads, kernels, `--code` files, data, recipe and the
    number of processes, where there are several.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(arrays):
        digest.update(f"{name}{arrays[name].shape}{arrays[name].dtype}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    plugins = {f"{room}/{name}": sha256 for room, name, sha256 in code}
    written = {f"recipe: {path}": value for path, value in decisive(recipe).items()}
    how = ", each with a part of the weights" if recipe.train.shard else ""
    processes = {"processes": f"{team.size}{how}"} if team else {}
    return {**environment.fingerprint(device), **processes, "data": digest.hexdigest(), "code": plugins, **written}


def decisive(recipe: Recipe) -> dict[str, Any]:
    """Return path -> value of everything in a recipe that can change a weight, every default filled in."""
    return {
        path: value
        for path, value in leaves(resolve(recipe), "")
        if not any(f"{path}.".startswith(f"{part}.") for part in _WITHOUT_BITS)
    }


class RunSink:
    """Leaves the loop's results in a run directory; see engine.loop.Sink."""

    def __init__(self, run: Run, keep: int, prints: Mapping[str, Any]) -> None:
        self._run, self._keep, self._prints = run, keep, prints
        self._journal = Journal(run.metrics)
        self.listeners: list[Callable[[Mapping[str, float | int]], object]] = []

    def record(self, values: Mapping[str, float | int]) -> None:
        """Append a line to metrics.jsonl and tell the listeners."""
        self._journal.append(values)
        for listener in self.listeners:
            listener(values)

    def save(self, job: Job, progress: Progress, *, is_best: bool) -> None:
        """Store weights, optimizer, average and progress; weights that are not finite are never stored."""
        from dlw.engine.loop import tensors

        state = {"progress": progress.to_json(), "fingerprint": dict(self._prints)}
        store.save(
            self._run,
            progress.step,
            tensors(job),
            state,
            keep=self._keep,
            is_best=is_best,
            is_final=progress.is_finished,
            monitor=job.monitor,
            score=progress.best,
        )

    def reset(self) -> None:
        """Start the journal afresh: the run stopped before its first checkpoint."""
        self._journal.truncate_after(-1)

    def at(self, step: int | None) -> dict[str, float]:
        """Return the journal's validation values at a step."""
        lines = [record for record in self._journal.read() if record["step"] == step]
        return {key: value for key, value in lines[-1].items() if key.startswith("validation/")} if lines else {}


def restore_job(
    job: Job, run: Run, prints: Mapping[str, Any], allow_inexact: bool, listener: Listener, team: Team | None = None
) -> Progress:
    """Load the newest sound checkpoint into a job, of a team the same in every process, and cut the journal back to it.

    Raises RunError where the continuation could not be exact and that is not allowed.
    """
    import torch

    from dlw.engine.progress import Progress

    is_first = team is None or team.is_first
    saved = store.load(run, "last" if is_first else team.tell(None), listener)  # type: ignore[union-attr]
    if team and is_first:
        team.tell(saved.step)
    changes = environment.differences(saved.state["fingerprint"], prints)
    if changes and is_first and not allow_inexact:
        raise RunError(
            f"{run.folder}: continuing would not give the same weights: {'; '.join(changes)}. "
            "Restore these, or accept a different result with --allow-inexact"
        )
    if changes:
        listener.warn(f"continuing inexactly: {'; '.join(changes)}")
    restore(job.network, saved.tensors["model"], saved.path)
    if job.average:
        restore(job.average.network, saved.tensors["ema"], saved.path)
    live = job.optimizer.state()
    problem = store.mismatch(saved.tensors["optimizer"], live)
    if problem:
        raise RunError(f"{saved.path}: the stored optimizer does not fit the recipe's: {problem}")
    with torch.no_grad():
        for name, tensor in live.items():
            tensor.copy_(saved.tensors["optimizer"][name])
    progress = Progress.from_json(saved.state["progress"])
    if is_first:
        Journal(run.metrics).truncate_after(progress.validated)
    return progress


class LoggedListener:
    """Passes everything on and keeps lines and warnings, with the time, in the run's log.txt."""

    def __init__(self, listener: Listener, log: Path) -> None:
        self._listener, self._log = listener, log

    def line(self, text: str) -> None:
        """See Listener."""
        self._write(text)
        self._listener.line(text)

    def warn(self, text: str) -> None:
        """See Listener."""
        self._write(f"warning: {text}")
        self._listener.warn(text)

    def progress(self, stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
        """See Listener; validations are also logged."""
        if stage == "validation":
            self._write(f"step {done}/{total} " + " ".join(f"{name}={value:.6g}" for name, value in values.items()))
        self._listener.progress(stage, done, total, values)

    def _write(self, text: str) -> None:
        disk.append(self._log, f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {on_one_line(text)}\n".encode())


def refuse_changes(sets: Sequence[str]) -> None:
    """A continued run follows its own recipe: changes are refused rather than half obeyed."""
    if sets:
        raise UsageError(f"--resume continues the run's own recipe; --set {sets[0]} would change it: start a new run")


def with_recorded_threads(run: Run, recipe: Recipe) -> Recipe:
    """Continue with the thread count the run began with: it decides the order of sums."""
    threads = json.loads(run.environment.read_bytes())["threads"] if run.environment.exists() else None
    return (
        recipe.model_copy(update={"train": recipe.train.model_copy(update={"threads": threads})}) if threads else recipe
    )


@contextmanager
def events(run: Run, recipe: Recipe, sink: RunSink | Onlooker) -> Iterator[None]:
    """Also write TensorBoard events while the block runs, where the recipe asks for them."""
    if not recipe.train.tensorboard or isinstance(sink, Onlooker):
        yield
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(run.folder / "tensorboard")) as writer:
        sink.listeners.append(
            lambda values: [writer.add_scalar(k, v, values["step"]) for k, v in values.items() if k != "step"]
        )
        yield


@contextmanager
def removed_if_refused(run: Run) -> Iterator[None]:
    """Leave no run directory behind where recipe and data turn out not to fit before the first checkpoint."""
    try:
        yield
    except (DataError, UsageError, RunError):
        if not store.has_checkpoint(run):
            shutil.rmtree(run.folder, ignore_errors=True)
        raise
