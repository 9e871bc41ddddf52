"""The loop: exact resume in memory, best and last, early stopping, signals, non-finite numbers."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dlw.augment._base import Draws
from dlw.engine import loop, optimizers
from dlw.engine.average import Average
from dlw.engine.batches import Resident
from dlw.engine.hardware import Hardware
from dlw.engine.loop import Job
from dlw.engine.progress import Plan, Progress
from dlw.errors import NonFiniteError, UsageError
from dlw.progress import Silent
from dlw.recipe.schema import SGD, AdamW, EarlyStopping, Muon, Scheduler, Train
from dlw.specs import Outcome, OutputSpec
from dlw.tasks._base import Task

CPU = Hardware(torch.device("cpu"), "fp32", 1)


class SquareTask(Task):
    """Learns one number by squared error."""

    output = OutputSpec("vector", 1)
    monitor = "error"
    metrics = ("error",)

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        return (out - target).square().mean(1)

    def activate(self, out: Tensor) -> dict[str, Tensor]:
        return {"values": out}

    def outcome(self, answers: Mapping[str, np.ndarray], target: np.ndarray) -> Outcome:
        return Outcome("values", answers["values"], target)

    def decode(self, answers: Mapping[str, np.ndarray]) -> dict[str, Any]:
        return {"value": answers["values"][:, 0]}


class Network(nn.Module):
    """Dropout and batch norm: the two layers that remember or draw."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 1))

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.body(inputs["number"])


def add_noise(batch: dict[str, Tensor], draws: Draws) -> dict[str, Tensor]:
    return {**batch, "number": batch["number"] + 0.1 * draws.uniform(6)}


def mix_halves(batch: dict[str, Tensor], draws: Draws) -> dict[str, Tensor]:
    share = draws.uniform(1)[:, 0]
    partner = torch.arange(len(share)).flip(0)
    number = share[:, None] * batch["number"] + (1 - share[:, None]) * batch["number"][partner]
    return {**batch, "number": number, "partner": partner, "share": share}


def error(outcome: Outcome) -> float:
    return float(np.square(outcome.prediction - outcome.target).mean())


def make_job(settings: Train, optimizer: AdamW | SGD | Muon = AdamW(), augments: Any = ()) -> Job:  # noqa: B008
    generator = np.random.default_rng(0)
    x = generator.normal(size=(100, 6)).astype(np.float32)
    y = (x[:, :1] * 2 - x[:, 1:2]).astype(np.float32)
    torch.manual_seed(1)
    network = Network()
    return Job(
        network=network,
        task=SquareTask(),
        optimizer=optimizers.build(optimizer, network),
        scheduler=Scheduler(),
        settings=settings,
        seed=5,
        hardware=CPU,
        train=Resident({"number": x[:80], "target": y[:80]}, torch.device("cpu")),
        validation=Resident({"number": x[80:], "target": y[80:]}, torch.device("cpu")),
        augments=list(augments),
        metrics={"error": error},
        monitor="validation/error",
        is_higher_better=False,
        average=Average(network, settings.ema_decay) if settings.ema_decay else None,
        inputs=frozenset({"number"}),
    )


@dataclass
class MemorySink:
    """Keeps copies of what a run directory would hold."""

    records: list[dict[str, float]] = field(default_factory=list)
    saves: list[tuple[int, bool]] = field(default_factory=list)
    saved: dict[str, Any] = field(default_factory=dict)

    def record(self, values: Mapping[str, float | int]) -> None:
        self.records.append(dict(values))

    def save(self, job: Job, progress: Progress, *, is_best: bool) -> None:
        self.saves.append((progress.step, is_best))
        self.saved = copy.deepcopy(
            {
                "model": job.network.state_dict(),
                "optimizer": job.optimizer.state(),
                "average": job.average.network.state_dict() if job.average else {},
                "progress": progress.to_json(),
            }
        )


def restore(job: Job, saved: dict[str, Any]) -> Progress:
    job.network.load_state_dict(saved["model"])
    if job.average:
        job.average.network.load_state_dict(saved["average"])
    for name, tensor in job.optimizer.state().items():
        tensor.copy_(saved["optimizer"][name])
    return Progress.from_json(saved["progress"])


def train(job: Job, sink: MemorySink, progress: Progress | None = None, stop_at: int | None = None) -> bool:
    progress = progress or Progress()
    plan = Plan(job.settings, "1 epoch", job.train.num_rows)
    return loop.run(job, plan, progress, sink, Silent(), lambda: stop_at is not None and progress.step >= stop_at)


CASES = [
    pytest.param(
        optimizer, ema, augments, accumulate, stop, id=f"{optimizer.type}-{ema}-{len(augments)}-{accumulate}-{stop}"
    )
    for optimizer, ema, augments, accumulate, stop in [
        (AdamW(), None, (), 1, 1),
        (AdamW(), 0.9, (add_noise,), 1, 3),
        (AdamW(), 0.9, (add_noise, mix_halves), 2, 5),
        (SGD(lr=0.01), None, (mix_halves,), 1, 10),
        (SGD(lr=0.01), 0.9, (), 4, 2),
        (SGD(lr=0.01), 0.9, (add_noise,), 1, 29),
        (Muon(), None, (add_noise,), 1, 7),
        (Muon(), 0.9, (mix_halves,), 2, 4),
    ]
]


@pytest.mark.parametrize(("optimizer", "ema", "augments", "accumulate", "stop"), CASES)
def test_a_stopped_run_ends_with_the_same_bits(
    optimizer: AdamW | SGD | Muon, ema: float | None, augments: Any, accumulate: int, stop: int
) -> None:
    settings = Train(epochs=3, batch_size=8, ema_decay=ema, accumulate=accumulate, clip_norm=1.0)
    straight, stopped = MemorySink(), MemorySink()
    assert train(make_job(settings, optimizer, augments), straight)
    assert not train(make_job(settings, optimizer, augments), stopped, stop_at=stop)
    assert stopped.saves[-1][0] == stop

    resumed = make_job(settings, optimizer, augments)
    assert train(resumed, stopped, restore(resumed, stopped.saved))
    assert stopped.records == straight.records
    assert stopped.saved["progress"] == straight.saved["progress"]
    for part in ("model", "optimizer", "average"):
        assert stopped.saved[part].keys() == straight.saved[part].keys()
        for name, tensor in straight.saved[part].items():
            assert torch.equal(stopped.saved[part][name], tensor), f"{part} {name}"


def test_saves_each_epoch_the_best_and_the_end() -> None:
    sink = MemorySink()
    assert train(make_job(Train(epochs=4, batch_size=8)), sink)
    assert [step for step, _ in sink.saves] == [10, 20, 30, 40]
    assert [record["step"] for record in sink.records] == [10, 20, 30, 40]
    best = [step for step, is_best in sink.saves if is_best][-1]
    errors = {int(record["step"]): record["validation/error"] for record in sink.records}
    assert errors[best] == min(errors.values())


def test_stops_when_validation_no_longer_improves() -> None:
    settings = Train(epochs=50, batch_size=8, early_stopping=EarlyStopping(patience=2, min_delta=1e9))
    sink = MemorySink()
    assert train(make_job(settings), sink)
    assert sink.saved["progress"]["step"] == 30
    assert sink.saved["progress"]["is_finished"]


@pytest.mark.withstands("faults", case="F17")
def test_a_nan_metric_never_becomes_the_best() -> None:
    job = replace(make_job(Train(epochs=2, batch_size=8)), metrics={"error": lambda outcome: math.nan})
    sink = MemorySink()
    assert train(job, sink)
    assert sink.saved["progress"]["best"] is None
    assert not any(is_best for _, is_best in sink.saves)


@pytest.mark.withstands("faults", case="F17")
def test_a_bad_validation_row_never_replaces_the_best() -> None:
    job = make_job(Train(epochs=3, batch_size=8))
    poisoned = job.validation._columns["number"]  # type: ignore[union-attr]

    class Poisoner(MemorySink):
        def save(self, job: Job, progress: Progress, *, is_best: bool) -> None:
            super().save(job, progress, is_best=is_best)
            poisoned[3] = math.nan

    sink = Poisoner()
    assert train(job, sink)
    assert sink.saves == [(10, True), (20, False), (30, False)]
    assert sink.saved["progress"]["best_step"] == 10


def assert_finite(sink: MemorySink) -> None:
    for part in ("model", "optimizer", "average"):
        assert all(torch.isfinite(tensor).all() for tensor in sink.saved.get(part, {}).values())


@pytest.mark.withstands("faults", case="F16")
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_bad_row_is_named_before_anything_is_saved(value: float) -> None:
    job = make_job(Train(epochs=2, batch_size=8, validate_every="1 step"))
    poisoned = job.train._columns["number"]  # type: ignore[attr-defined]
    poisoned[13] = value
    sink = MemorySink()
    step = next(
        number for number in range(1, 11) if 13 in loop._rows(job, Plan(job.settings, "1 epoch", 80), number - 1)
    )
    with pytest.raises(NonFiniteError, match=rf"step {step}; .*layer body\.0;.* row 13 of a batch of 8.*clip_norm"):
        train(job, sink)
    assert 0 < sink.saves[-1][0] < step
    assert_finite(sink)


class Steep(torch.autograd.Function):
    """The identity with a gradient that is infinite at one step."""

    @staticmethod
    def forward(context: Any, x: Tensor, scale: float) -> Tensor:
        context.scale = scale
        return x.clone()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * context.scale, None


@pytest.mark.withstands("faults", case="F16")
@pytest.mark.parametrize("step", [4, 20], ids=["on the way", "in the last step"])
@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_an_infinite_gradient_is_named_and_never_saved(
    monkeypatch: pytest.MonkeyPatch, step: int, clip_norm: float | None
) -> None:
    job = make_job(Train(epochs=2, batch_size=8, ema_decay=0.9, clip_norm=clip_norm))
    forward, calls = job.network.forward, 0

    def steep(inputs: dict[str, Tensor]) -> Tensor:
        nonlocal calls
        calls += job.network.training
        return Steep.apply(forward(inputs), math.inf if calls == step and job.network.training else 1.0)  # type: ignore[no-any-return]

    monkeypatch.setattr(job.network, "forward", steep)
    rows = ", ".join(map(str, loop._rows(job, Plan(job.settings, "1 epoch", 80), step - 1)))
    sink = MemorySink()
    with pytest.raises(NonFiniteError, match=rf"at step {step}; .*body\.0\.weight.*rows of that step: rows {rows}\."):
        train(job, sink)
    assert [saved for saved, _ in sink.saves] == ([] if step == 4 else [10])
    assert_finite(sink)


def test_a_batch_larger_than_the_data_is_refused_with_both_numbers() -> None:
    with pytest.raises(UsageError, match=r"81.*80 rows"):
        Plan(Train(batch_size=81), "1 epoch", 80)


def test_an_ensemble_is_averaged_after_the_activation() -> None:
    from dlw.engine.inference import activate, row_losses

    out = torch.randn(5, 3, 1)
    assert torch.allclose(activate(out, SquareTask())["values"], out.mean(1))
    target = torch.randn(5, 1)
    expected = (out - target[:, None]).square().mean(dim=(1, 2))
    assert torch.allclose(row_losses(out, target, SquareTask()), expected)
