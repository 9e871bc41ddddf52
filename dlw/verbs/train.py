"""`dlw train`: learn what a recipe says, keep everything in a run directory, continue exactly where a run stopped."""

from __future__ import annotations

import contextlib
import hashlib
import shlex
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlw import registry
from dlw.errors import Interrupted
from dlw.progress import Listener, Silent
from dlw.recipe.check import load_recipe
from dlw.recipe.schema import Recipe
from dlw.runs import store
from dlw.runs.disk import write_atomic, write_json
from dlw.runs.layout import Run, create_run, open_run
from dlw.runs.lock import hold
from dlw.verbs import _machine
from dlw.verbs._backbone import start_from_backbone, start_from_files
from dlw.verbs._cache import Cache
from dlw.verbs._cost import measured
from dlw.verbs._network import monitored
from dlw.verbs._preparation import plan_of, prepared
from dlw.verbs._report.training import report
from dlw.verbs._samples import keep_answers, keep_first_batch
from dlw.verbs._session import (
    LoggedListener,
    RunSink,
    Session,
    begin,
    events,
    refuse_changes,
    removed_if_refused,
    reopen,
    restore_job,
    with_recorded_threads,
)
from dlw.verbs._together import (
    Agreed,
    Onlooker,
    begun_before,
    has_checkpoint,
    is_first,
    refuse_dry_run_together,
    refuse_unequal,
    spread_over,
    together,
)

if TYPE_CHECKING:
    from dlw.engine.loop import Job
    from dlw.engine.progress import Plan, Progress
    from dlw.engine.team import Team


@dataclass(frozen=True)
class TrainResult:
    """What a training came to. Times in seconds, memory in bytes."""

    run: str
    name: str
    step: int
    total_steps: int
    epochs: float
    is_finished: bool
    monitor: str
    best: float | None
    best_step: int | None
    validation: dict[str, float]
    parameters: int
    seconds: float
    samples_per_second: float
    hardware: str
    unit: str = "rows"
    """What a sample is: rows, or windows of a text."""
    dry_run: dict[str, Any] = field(default_factory=dict)
    """For `--dry-run`: estimated seconds and peak memory of the whole run, rows per split, column groups."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able mapping."""
        return asdict(self)


def train(
    reference: str | Path | None = None,
    *,
    out: Path | None = None,
    resume: Path | None = None,
    sets: Sequence[str] = (),
    dry_run: bool = False,
    allow_inexact: bool = False,
    is_sandboxed: bool = False,
    code: Sequence[Path] = (),
    cache: Path | None = None,
    listener: Listener | None = None,
) -> TrainResult:
    """Train by a recipe (a path or an installed name), or continue the run `resume`.

    `is_sandboxed` refuses a recipe whose paths leave its folder. Fitted fields and encoded rows are kept in the folder
    `cache` for other runs, or taken from there.
    Raises Interrupted, with everything saved, where a signal stopped it.
    """
    listener = listener or Silent()
    plugins = [(*registry.add_code(file), hashlib.sha256(file.read_bytes()).hexdigest()) for file in code]
    if resume is not None:
        refuse_changes(sets)
    if dry_run and resume is None:
        assert reference is not None, "a recipe to try"
        refuse_dry_run_together()
        with tempfile.TemporaryDirectory(prefix="dlw-dry-run-") as folder:
            run = create_run("dry-run", Path(folder) / "run")
            session = begin(reference, sets, run, listener, is_sandboxed, kept=_kept_in(cache, listener))
            return _dry_run(session, plugins, listener)
    with together(listener) as team:
        if team and not team.is_first:
            return _assist(team, plugins, allow_inexact, cache)
        resume = resume or begun_before(team, out)
        if resume is not None:
            return _continue(open_run(resume), plugins, listener, allow_inexact, team, cache)
        assert reference is not None, "a recipe or a run to resume"
        recipe = load_recipe(reference, sets, is_sandboxed=is_sandboxed).recipe
        refuse_unequal(recipe, team.size if team else 1)
        from dlw.engine.hardware import prepare  # after the check: a typo is answered without torch

        prepare(recipe.train, team.place if team else None)
        run = create_run(recipe.name, out)
        with hold(run), removed_if_refused(run):
            listener = LoggedListener(listener, run.log)
            session = begin(reference, sets, run, listener, is_sandboxed, team, _kept_in(cache, listener))
            if team:
                team.tell([str(run.folder.absolute()), False])
            return _train(session, plugins, listener)


def _continue(
    run: Run,
    plugins: Sequence[tuple[str, str, str]],
    listener: Listener,
    allow_inexact: bool,
    team: Team | None,
    cache: Path | None,
) -> TrainResult:
    """Go on with a run that was stopped."""
    with hold(run):
        store.clean(run)
        listener = LoggedListener(listener, run.log)
        if team:
            team.tell([str(run.folder.absolute()), True])
        session = reopen(run, listener, team, _kept_in(cache, listener))
        return _train(session, plugins, listener, is_resumed=True, allow_inexact=allow_inexact)


def _kept_in(folder: Path | None, listener: Listener) -> Cache | None:
    return None if folder is None else Cache(folder.absolute(), listener)


def _assist(
    team: Team, plugins: Sequence[tuple[str, str, str]], allow_inexact: bool, cache: Path | None
) -> TrainResult:
    """Do the share of a process that is not the first: rank 0 keeps the run directory and tells where it is."""
    folder, is_resumed = team.tell(None)
    session = reopen(Run(Path(folder)), Silent(), team, _kept_in(cache, Silent()))
    return _train(session, plugins, Silent(), is_resumed=is_resumed, allow_inexact=allow_inexact)


def _train(
    session: Session,
    plugins: Sequence[tuple[str, str, str]],
    listener: Listener,
    *,
    is_resumed: bool = False,
    allow_inexact: bool = False,
) -> TrainResult:
    """Build the job, restore it if continued, run the loop and say what came of it."""
    from dlw.engine import loop
    from dlw.engine.signals import catch_stop

    run, recipe, team = session.run, session.recipe, session.team
    refuse_unequal(recipe, team.size if team else 1)
    if is_resumed:
        recipe = with_recorded_threads(run, recipe)
    job, prints = prepared(session, recipe, plugins, listener)
    plan = plan_of(recipe, job)
    sink = RunSink(run, recipe.checkpoint.keep, prints) if is_first(team) else Onlooker()
    progress = _stand(session, job, recipe, prints, sink, listener, is_resumed, allow_inexact)
    if progress.step:
        listener.line(f"continuing {run.folder} at step {progress.step} of {plan.total_steps}")
    if progress.is_finished:
        listener.line(f"{run.folder} is finished: nothing is left to train")
        return _result(session, job, plan, progress, sink, 0.0, 0)
    if is_first(team) and not progress.step:
        keep_first_batch(run, job, plan, session.fitted.inputs)
    if team:
        job = spread_over(team, job, plan, recipe)
    first, start = progress.step, time.perf_counter()
    cost = measured(run, progress) if is_first(team) else contextlib.nullcontext()
    with catch_stop() as own, events(run, recipe, sink), cost:
        request = Agreed(own, team) if team else own
        is_done = loop.run(job, plan, progress, sink, listener, request)
    seconds = time.perf_counter() - start
    if not is_done:
        assert request.signal_number is not None
        raise Interrupted(
            f"stopped at step {progress.step} of {plan.total_steps}, everything is saved; "
            f"continue with: dlw train --resume {shlex.quote(str(run.folder))}",
            request.signal_number,
        )
    keep_answers(run, job, session.fitted.inputs)
    result = _result(session, job, plan, progress, sink, seconds, progress.step - first)
    if is_first(team):
        _write_report(session, job, result)
    return result


def _stand(
    session: Session,
    job: Job,
    recipe: Recipe,
    prints: dict[str, Any],
    sink: RunSink | Onlooker,
    listener: Listener,
    is_resumed: bool,
    allow_inexact: bool,
) -> Progress:
    """Restore the job of a run that is continued, or give it its first weights; return how far it is."""
    from dlw.engine.progress import Progress

    run, team = session.run, session.team
    progress = Progress()
    if is_resumed and has_checkpoint(run, team):
        progress = restore_job(job, run, prints, allow_inexact, listener, team)
    elif is_resumed:
        listener.warn(f"{run.folder} stopped before its first checkpoint: starting at step 0")
        sink.reset()
    if is_first(team) and not run.environment.exists():
        write_json(run.environment, prints)
    if not progress.step:
        start_from_files(job, listener)
        start_from_backbone(job, recipe, run, listener, is_noted=is_first(team))
    return progress


def _write_report(session: Session, job: Job, result: TrainResult) -> None:
    """Write the page about the training, of the checkpoint that the run keeps as its best."""
    page = report(
        session,
        step=result.step if result.best_step is None else result.best_step,
        parameters=result.parameters,
        weight_bytes=sum(tensor.numel() * tensor.element_size() for tensor in job.network.state_dict().values()),
        scores=result.validation,
    )
    write_atomic(session.run.report, page.encode())


def _result(
    session: Session, job: Job, plan: Plan, progress: Progress, sink: RunSink | Onlooker, seconds: float, steps: int
) -> TrainResult:
    monitor, _ = monitored(session.recipe, job.task)
    rows = steps * session.recipe.train.batch_size * session.recipe.train.accumulate
    return TrainResult(
        run=str(session.run.folder),
        name=session.recipe.name,
        step=progress.step,
        total_steps=plan.total_steps,
        epochs=plan.passes(progress),
        is_finished=progress.is_finished,
        monitor=monitor,
        best=progress.best,
        best_step=progress.best_step,
        validation=sink.at(progress.best_step if progress.best_step is not None else progress.step),
        parameters=sum(parameter.numel() for parameter in job.network.parameters()),
        seconds=round(seconds, 3),
        samples_per_second=round(rows / seconds, 1) if seconds else 0.0,
        hardware=f"{f'{session.team.size} x ' if session.team else ''}{job.hardware}",
        unit=job.task.unit,
    )


def _dry_run(session: Session, plugins: Sequence[tuple[str, str, str]], listener: Listener) -> TrainResult:
    """Take a few steps, validate, save and load in a throw-away folder, then estimate the whole run."""

    from dlw.engine import loop
    from dlw.engine.progress import Progress

    recipe = session.recipe
    job, prints = prepared(session, recipe, plugins, listener)
    start_from_files(job, listener)
    start_from_backbone(job, recipe, session.run, listener)
    plan = plan_of(recipe, job)
    total_steps, steps = plan.total_steps, min(3, plan.total_steps)
    sink = RunSink(session.run, recipe.checkpoint.keep, prints)
    progress, seconds = Progress(), []
    batches = loop.training_batches(job, plan, progress, steps)
    for _ in range(steps):
        start = time.perf_counter()
        loop.learn(job, plan, progress, batches)
        seconds.append(time.perf_counter() - start)
    plan.total_steps = steps
    loop.run(job, plan, progress, sink, listener, lambda: False)
    restore_job(job, session.run, prints, False, listener)
    plan.total_steps = total_steps
    result = _result(session, job, plan, progress, sink, sum(seconds), steps)
    estimate = {
        "seconds": round(min(seconds) * total_steps, 1),
        "peak_memory_bytes": _machine.peak_memory_bytes(),
        "rows": {split: len(table) for split, table in session.tables.items()},
        "inputs": {name: list(spec.shape) for name, spec in session.fitted.inputs.items()},
    }
    return TrainResult(**{**asdict(result), "run": "", "dry_run": estimate})
