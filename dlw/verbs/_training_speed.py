"""How fast a recipe trains on this machine, and where the time goes.

Two loops take turns on the same job: the engine's, and a bare one that does only what the recipe asks for (gather,
augment, forward, loss, backward, optimizer, average). Taking turns, a busy moment of the machine hits both.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from dlw.errors import UsageError
from dlw.models._base import Filled
from dlw.progress import Listener

if TYPE_CHECKING:
    from dlw.engine.batches import Batch
    from dlw.engine.loop import Job
    from dlw.engine.progress import Plan

TURNS = 12
"""Pairs of turns; the first is the warm-up and does not count."""
TURN_SECONDS = 0.6
MATRIX_SIZE = 1024
MATRIX_TRIES = 12


def measure(
    reference: str | Path, sets: Sequence[str], listener: Listener, is_sandboxed: bool = False
) -> dict[str, Any]:
    """Return `samples_per_second`, `bare_samples_per_second`, `overhead` (share), `waiting_share`, `flops_per_step`,
    `matrix_peak_flops` (multiplications and additions each count one), `peak_fraction` and `batch_size`."""
    from dlw.engine.progress import Plan

    with tempfile.TemporaryDirectory(prefix="dlw-benchmark-") as folder:
        job, every = prepare_job(reference, sets, Path(folder) / "run", listener, is_sandboxed)
    plan = Plan(job.settings, every, job.train.num_rows)
    rows_per_step = job.settings.batch_size * job.settings.accumulate
    engine_seconds, bare_seconds, waiting = take_turns(job, plan, listener)
    flops = step_flops(job, plan)
    peak = matrix_peak(job)
    return {
        "batch_size": job.settings.batch_size,
        "samples_per_second": rows_per_step / engine_seconds,
        "bare_samples_per_second": rows_per_step / bare_seconds,
        "overhead": engine_seconds / bare_seconds - 1,
        "waiting_share": waiting,
        "flops_per_step": flops,
        "matrix_peak_flops": peak,
        "peak_fraction": flops / engine_seconds / peak,
        "hardware": str(job.hardware),
    }


def prepare_job(
    reference: str | Path, sets: Sequence[str], folder: Path, listener: Listener, is_sandboxed: bool = False
) -> tuple[Job, str]:
    """Read the recipe's training split and build the job as `train` does; return it and how often it would save."""
    from dlw.engine.hardware import prepare
    from dlw.runs.layout import create_run
    from dlw.verbs._batches import make_batches
    from dlw.verbs._network import build_job, build_task
    from dlw.verbs._session import begin

    session = begin(reference, sets, create_run("benchmark", folder), listener, is_sandboxed)
    recipe = session.recipe
    hardware = prepare(recipe.train)
    packing = build_task(recipe, session.fitted).packing
    table, cache = session.tables["train"], session.run.folder / ".cache"
    batches, _ = make_batches(recipe, session.fitted, packing, table, "train", hardware, cache, listener)
    splits = {"train": batches}
    job = build_job(recipe, session.fitted, hardware, splits)
    if isinstance(job.network, Filled):
        raise UsageError(f"model {recipe.model.type} is filled in one pass, without steps: benchmark a run of it")
    return job, recipe.checkpoint.every


def take_turns(job: Job, plan: Plan, listener: Listener) -> tuple[float, float, float]:
    """Return seconds per step of engine and bare loop (medians over turns) and the waiting share of the engine."""
    from dlw.engine import loop
    from dlw.engine.progress import Progress

    progress = Progress()
    waited = [0.0]
    engine_batches = _timed(loop.training_batches(job, plan, progress), waited)
    bare = bare_step(job, plan)
    engine_turns, bare_turns, shares = [], [], []
    job.network.train()
    steps = _steps_per_turn(bare)
    for turn in range(TURNS):
        waited[0] = 0.0
        start = time.perf_counter()
        for _ in range(steps):
            progress.step %= plan.total_steps
            loop.learn(job, plan, progress, engine_batches)
        middle = time.perf_counter()
        for _ in range(steps):
            bare()
        end = time.perf_counter()
        if turn:
            engine_turns.append((middle - start) / steps)
            bare_turns.append((end - middle) / steps)
            shares.append(waited[0] / (middle - start))
        listener.progress("benchmark", turn + 1, TURNS, {})
    return median(engine_turns), median(bare_turns), median(shares)


def bare_step(job: Job, plan: Plan) -> Callable[[], None]:
    """Return one training step as a plain script would write it."""
    from dlw.engine.batches import training_plan
    from dlw.engine.draws import RowDraws
    from dlw.engine.loop import batch_loss
    from dlw.specs import INDEX

    train = job.train
    sizes = train.num_rows, plan.batch_size, plan.batches_per_epoch
    rows = training_plan(job.seed, *sizes, 0, train.lengths, train.shards)
    batches = train.stream(rows)
    steps = itertools.count()

    def step() -> None:
        for _ in range(job.settings.accumulate):
            batch = next(batches)
            for place, augment in enumerate(job.augments):
                batch = augment(batch, RowDraws(job.seed, 0, batch[INDEX], place))
            (batch_loss(job, batch) / job.settings.accumulate).backward()
        if job.settings.clip_norm:
            import torch

            torch.nn.utils.clip_grad_norm_(job.network.parameters(), job.settings.clip_norm)
        job.optimizer.step(1e-3)
        if job.average:
            job.average.update(job.network, next(steps))

    return step


def step_flops(job: Job, plan: Plan) -> float:
    """Return the floating-point operations of the matrix products and convolutions of one training step."""
    from torch.utils.flop_counter import FlopCounterMode

    step = bare_step(job, plan)
    with FlopCounterMode(display=False) as counter:
        step()
    return float(counter.get_total_flops())


def matrix_peak(job: Job) -> float:
    """Return the floating-point operations per second of a large matrix product in the job's number format."""
    import torch

    dtype = torch.float32 if job.hardware.precision == "fp32" else torch.bfloat16
    left, right = (torch.ones(MATRIX_SIZE, MATRIX_SIZE, dtype=dtype, device=job.hardware.device) for _ in range(2))
    best = float("inf")
    for _ in range(MATRIX_TRIES):
        start = time.perf_counter()
        product = left @ right
        product[0, 0].item()  # waits for the device
        best = min(best, time.perf_counter() - start)
    return 2.0 * MATRIX_SIZE**3 / best


def _steps_per_turn(step: Callable[[], None]) -> int:
    step()
    start = time.perf_counter()
    step()
    step()
    return max(2, min(1000, round(2 * TURN_SECONDS / (time.perf_counter() - start))))


def _timed(batches: Iterator[Batch], waited: list[float]) -> Iterator[Batch]:
    while True:
        start = time.perf_counter()
        batch = next(batches)
        waited[0] += time.perf_counter() - start
        yield batch
