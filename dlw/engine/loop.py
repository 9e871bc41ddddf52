"""The training loop: score, save, stop, learn. It knows no field, model or task by name.

State lives in three values that are never merged: the Job (what), the store behind `Sink` (where), Progress (how far).
Everything random is a function of (seed, step) or (seed, epoch, row), so a resumed run needs nothing replayed and ends
with the same bits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from dlw.augment._base import Augment
from dlw.engine import schedules
from dlw.engine.adversary import Adversary
from dlw.engine.average import Average
from dlw.engine.batches import Batch, Batches, sequential_plan, training_plan
from dlw.engine.draws import RowDraws
from dlw.engine.hardware import Hardware
from dlw.engine.inference import Answered, Predictor, answer_batches, row_losses
from dlw.engine.nonfinite import explain_loss, explain_tensors, not_finite
from dlw.engine.optimizers import Optimizer
from dlw.engine.progress import Calibration, Plan, Progress
from dlw.errors import NonFiniteError
from dlw.models._base import Filled, Refitted
from dlw.progress import Listener
from dlw.recipe.schema import Scheduler, Train
from dlw.specs import INDEX, MOST_ROWS_AT_ONCE, TARGET, Outcome
from dlw.tasks._base import Task

if TYPE_CHECKING:
    from dlw.engine.spread import Spread
    from dlw.engine.team import Team

HEARTBEAT_SECONDS = 0.25

Metric = Callable[[Outcome], float]


@dataclass(frozen=True)
class Job:
    """What is to be learned: everything the loop needs, already built."""

    network: nn.Module
    task: Task
    optimizer: Optimizer
    scheduler: Scheduler
    settings: Train
    seed: int
    hardware: Hardware
    train: Batches
    validation: Batches | None
    augments: Sequence[Augment]
    metrics: Mapping[str, Metric]
    monitor: str
    is_higher_better: bool
    average: Average | None = None
    adversary: Adversary | None = None
    inputs: frozenset[str] = frozenset()
    """Groups of the batch that the network takes."""
    answer_rows: int = MOST_ROWS_AT_ONCE
    """Rows that are validated in one piece."""
    spread: Spread | None = None
    """How several processes share the work; None for one alone, which then meets nothing of the others."""

    @property
    def team(self) -> Team | None:
        """The processes that share the work."""
        return self.spread.team if self.spread else None


class Sink(Protocol):
    """Where the loop leaves its results."""

    def record(self, values: Mapping[str, float | int]) -> None:
        """Append one line to the journal."""
        ...

    def save(self, job: Job, progress: Progress, *, is_best: bool) -> None:
        """Store a checkpoint durably."""
        ...


def run(
    job: Job, plan: Plan, progress: Progress, sink: Sink, listener: Listener, is_stopped: Callable[[], bool]
) -> bool:
    """Train until the plan is done; return False if `is_stopped` ended it early, with everything saved.

    Raises NonFiniteError, with nothing of the bad step saved.
    """

    def save(*, is_best: bool) -> None:
        _require_finite(job, plan, progress)
        sink.save(job, progress, is_best=is_best)
        plan.note_save(progress)

    batches = training_batches(job, plan, progress, plan.total_steps - progress.step)
    meter = _Meter(job, plan, progress, listener)
    plan.note_save(progress)
    job.network.train()
    while True:
        is_last = progress.step >= plan.total_steps
        is_best = False

        # Score the validation split where it is due, unless that happened before a stop.
        if plan.is_validation_due(progress):
            refit(job)
            outcome = _validate(job, progress, meter, is_stopped)
            if outcome is None:
                save(is_best=False)
                return False
            is_best = progress.note(outcome.get(job.monitor), job.is_higher_better, job.settings.early_stopping)
            sink.record(outcome)
            meter.report(outcome)
            progress.start_interval()
        is_last = is_last or progress.is_out_of_patience(job.settings.early_stopping)

        # Save where it is due; the best and the last state always are.
        is_stopping = is_stopped() and not is_last
        progress.is_finished = is_last
        if is_best or is_last or is_stopping or plan.is_save_due(progress):
            save(is_best=is_best)
        if is_last or is_stopping:
            return is_last

        learn(job, plan, progress, batches)
        meter.tick()


@torch.no_grad()
def fill(job: Job, progress: Progress) -> None:
    """Show every training row once to a network that is filled instead of trained; this counts as one step."""
    assert isinstance(job.network, Filled)
    job.network.eval()
    _seed_step(job, progress.step)
    for batch in job.train.stream(sequential_plan(job.train.num_rows, job.answer_rows)):
        with job.hardware.autocast():
            job.network.collect({name: tensor for name, tensor in batch.items() if name in job.inputs})
    job.network.settle()
    progress.step += 1


@torch.no_grad()
def refit(job: Job) -> None:
    """Fit the parts of the network, and of its average, that are fitted to all training rows; most have none."""
    for network in (job.network, job.average.network if job.average else None):
        if isinstance(network, Refitted):
            was_training = job.network.training
            job.network.eval()
            for batch in job.train.stream(sequential_plan(job.train.num_rows, job.answer_rows)):
                with job.hardware.autocast():
                    network.look({name: tensor for name, tensor in batch.items() if name in job.inputs})
            network.refit()
            job.network.train(was_training)


def learn(job: Job, plan: Plan, progress: Progress, batches: Iterator[Batch]) -> None:
    """Take one optimizer step from the next `accumulate` batches."""
    if isinstance(job.network, Filled):
        fill(job, progress)
        return
    _seed_step(job, progress.step)
    for left in reversed(range(job.settings.accumulate)):
        _backward(job, next(batches), progress, plan, is_last=not left)
    if job.spread:
        job.spread.hand_over()
    if job.settings.clip_norm:
        _clip(job, plan, progress, job.settings.clip_norm)
    job.optimizer.step(schedules.factor(job.scheduler, progress.step, plan.total_steps))
    if job.average:
        job.average.update(job.network, progress.step)
    progress.step += 1


def _clip(job: Job, plan: Plan, progress: Progress, largest: float) -> None:
    """Scale the gradients down to a norm; on a CPU gradients that are not finite are met before they do harm."""
    norm = job.spread.clip(largest) if job.spread else nn.utils.clip_grad_norm_(job.network.parameters(), largest)
    if job.hardware.device.type == "cpu" and not math.isfinite(norm.item()):
        parameters = job.spread.parameters() if job.spread else dict(job.network.named_parameters())
        broken = not_finite({name: p.grad for name, p in parameters.items() if p.grad is not None})
        raise explain_tensors(progress.step + 1, broken, "gradients are", _rows(job, plan, progress.step))


def training_batches(job: Job, plan: Plan, progress: Progress, steps: int | None = None) -> Iterator[Batch]:
    """Yield the run's batches from where it stands, for so many steps: no row is read ahead that none of them takes.

    None: for ever.
    """
    rows = _row_plan(job, plan, progress.step)
    if steps is not None:
        rows = islice(rows, steps * job.settings.accumulate)
    return job.train.stream(_own_share(job.team, rows) if job.team else rows)


def _own_share(team: Team, plan: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield this process's rows of each batch: as many as every other process's."""
    for rows in plan:
        yield np.split(rows, team.size)[team.rank]


def _row_plan(job: Job, plan: Plan, step: int) -> Iterator[np.ndarray]:
    """Yield the row numbers of each batch from step `step` (from 0) on."""
    start = plan.first_batch(step)
    train = job.train
    sizes = train.num_rows, plan.batch_size, plan.batches_per_epoch
    return training_plan(job.seed, *sizes, start, train.lengths, train.shards)


def _rows(job: Job, plan: Plan, step: int) -> list[int]:
    """Return the training rows of one step (from 0)."""
    return [int(row) for rows in islice(_row_plan(job, plan, step), job.settings.accumulate) for row in rows]


def _backward(job: Job, batch: Batch, progress: Progress, plan: Plan, *, is_last: bool) -> None:
    """Add one batch's gradients; on a CPU a loss that is not finite is met before it does harm."""
    for place, augment in enumerate(job.augments):
        batch = augment(batch, RowDraws(job.seed, plan.epoch(progress), batch[INDEX], place))
    ways: Sequence[AbstractContextManager[None]] = job.adversary.ways() if job.adversary else [nullcontext()]
    for number, way in enumerate(ways, start=1):
        if job.spread:
            job.spread.exchange(is_last=is_last and number == len(ways))
        with way:
            loss = batch_loss(job, batch)
        if job.hardware.device.type == "cpu" and not math.isfinite(loss.item()):
            if broken := not_finite(dict(job.network.named_parameters())):
                raise _left_by_last_step(job, plan, progress, broken)
            raise explain_loss(job.network, batch, job.inputs, progress.step + 1)
        (loss / (len(ways) * job.settings.accumulate)).backward()
        if number == 1:
            progress.add_loss(job.team.mean(loss) if job.team else loss.detach())


def batch_loss(job: Job, batch: Batch) -> Tensor:
    """Return the mean loss of a batch; rows mixed with a partner weigh both targets by the row's share."""
    inputs = {name: tensor for name, tensor in batch.items() if name in job.inputs}
    with job.hardware.autocast():
        out = (job.spread or job.network)(inputs)
    losses = row_losses(out, batch[TARGET], job.task)
    if "partner" in batch:
        share = batch["share"]
        losses = share * losses + (1 - share) * row_losses(out, batch[TARGET][batch["partner"]], job.task)
    return losses.mean() * _weight(job, out, batch[TARGET]) if job.team else losses.mean()


def _weight(job: Job, out: Tensor, target: Tensor) -> Tensor | float:
    """Return what this process's mean loss counts in the mean of all: 1, where it is a mean over equally many rows."""
    assert job.team is not None
    counted = job.task.counted(out, target)
    return 1.0 if counted is None else counted / job.team.mean(counted.double()).clamp(min=1 / job.team.size)


def _validate(job: Job, progress: Progress, meter: _Meter, is_stopped: Callable[[], bool]) -> dict[str, float] | None:
    """Score the averaged (or the plain) network; None if a stop came on the way."""
    _require_finite(job, meter.plan, progress)
    meter.check_finite()
    record: dict[str, float] = {"step": progress.step, "epoch": meter.plan.passes(progress), **progress.interval_loss()}
    if job.validation is None:
        return record
    network = job.average.network if job.average else job.network
    predictor = Predictor(network, job.task)
    result = answer_batches(predictor, job.validation, job.answer_rows, job.hardware, is_stopped, job.team)
    if result is None:
        return None
    if not job.team:
        scores, progress.calibration = _scores(job, result)
    else:  # one process judges, so that all go on by the same numbers
        scores, progress.calibration = job.team.tell(_scores(job, result) if job.team.is_first else None)
    return record | scores


def _scores(job: Job, result: Answered) -> tuple[dict[str, float], Calibration]:
    """Return the figures of a validation and the options of the task that are found by it."""
    assert result.losses is not None
    assert result.target is not None
    outcome = job.task.outcome(result.answers, result.target)
    calibration = job.task.calibrate(outcome)
    scores = {"validation/loss": float(result.losses.mean())}
    return scores | {f"validation/{name}": metric(outcome) for name, metric in job.metrics.items()}, calibration


def tensors(job: Job) -> dict[str, dict[str, Tensor]]:
    """Return what a checkpoint keeps: weights, optimizer and average, in full; every process of a team must ask."""
    found = {"model": job.network.state_dict(), "optimizer": job.optimizer.state()}
    if job.average:
        found["ema"] = job.average.network.state_dict()
    return {group: job.spread.whole(held) for group, held in found.items()} if job.spread else found


def _require_finite(job: Job, plan: Plan, progress: Progress) -> None:
    """Raise NonFiniteError if anything that a checkpoint would keep is not finite."""
    state = {**job.network.state_dict(), **{f"optimizer {name}": t for name, t in job.optimizer.state().items()}}
    if job.average:
        state |= {f"average {name}": tensor for name, tensor in job.average.network.state_dict().items()}
    if broken := not_finite(job.spread.held(state) if job.spread else state):
        raise _left_by_last_step(job, plan, progress, broken)


def _left_by_last_step(job: Job, plan: Plan, progress: Progress, broken: Sequence[str]) -> NonFiniteError:
    is_known = job.hardware.device.type == "cpu" and progress.step > 0
    rows = _rows(job, plan, progress.step - 1) if is_known else None
    return explain_tensors(progress.step, broken, "weights are", rows)


def _seed_step(job: Job, step: int) -> None:
    """Seed torch's global generator (dropout) as a function of (seed, step), and of the rank among several."""
    rank = job.team.rank if job.team else 0
    seed = (job.seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + rank * 0x94D049BB133111EB + 1) & (2**63 - 1)
    if job.hardware.device.type == "cpu":
        torch.default_generator.manual_seed(seed)  # torch.manual_seed also visits every other kind of device
    else:
        torch.manual_seed(seed)


class _Meter:
    """Tells the listener how it goes, a few times a second, and reads the device no more often than that."""

    def __init__(self, job: Job, plan: Plan, progress: Progress, listener: Listener) -> None:
        self._job, self.plan, self._progress, self._listener = job, plan, progress, listener
        self._next = time.monotonic()
        self._values: dict[str, float] = {}

    def tick(self) -> None:
        """Report if the last report is a while ago."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + HEARTBEAT_SECONDS
            self.check_finite()
            self._values |= self._progress.interval_loss()
            self._listener.progress("train", self._progress.step, self.plan.total_steps, self._values)

    def report(self, record: Mapping[str, float]) -> None:
        """Report a validation."""
        self._values = {name: value for name, value in record.items() if "/" in name}
        self._listener.progress("validation", self._progress.step, self.plan.total_steps, self._values)

    def check_finite(self) -> None:
        """Raise NonFiniteError if the running loss left the finite numbers (devices where each step is not checked)."""
        if not all(math.isfinite(value) for value in self._progress.interval_loss().values()):
            _require_finite(self._job, self.plan, self._progress)
            raise explain_tensors(self._progress.step, ["train/loss"], "the running mean is", None)
