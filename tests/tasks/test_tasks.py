"""Every task of the room keeps the contract: losses per row, gradients, answers, outcome and decoded columns.

The room is listed, so that a new task is held to the contract without an edit here.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from dlw import registry
from dlw.metrics._base import value_of
from dlw.specs import NO_TARGET, FieldSpec
from dlw.tasks._base import Task

TARGETS = {
    "none": NO_TARGET,
    "category": FieldSpec("category", (1,), "int64", ("kind",), (3,), ("a", "b", "c"), {"counts": [[5, 3, 2]]}),
    "labels": FieldSpec(
        "labels", (2,), "int8", ("x", "y"), labels=("x", "y"), statistics={"counts": [[5, 3, 2], [1, 9, 0]]}
    ),
    "number": FieldSpec(
        "number",
        (2,),
        "float32",
        ("u", "v"),
        statistics={"mean": [3.0, 40.0], "std": [2.0, 10.0], "quantiles": [[0.0, 3.0, 9.0], [20.0, 40.0, 60.0]]},
    ),
    "mask": FieldSpec("mask", (2, 3), "uint8", ("m",), (3,), ("road", "sky", "car"), {"counts": [[10, 9, 3]]}),
    "tokens": FieldSpec(
        "tokens",
        (2,),
        "int32",
        sizes=(4,),
        labels=("a", "b", "c"),
        statistics={"counts": [[4, 3, 1]], "titles": [[]], "end": [3], "characters": [0, 1, 2, 0]},
        is_ragged=True,
    ),
    "boxes": FieldSpec(
        "boxes", (2, 5), "float32", ("o",), (2,), ("cat", "dog"), {"counts": [[3, 2]], "picture": [[16, 16]]}
    ),
    "series": FieldSpec(
        "series",
        (2, 2),
        "float32",
        ("p", "q"),
        statistics={"mean": [0.0, 5.0], "std": [1.0, 2.0], "season": [2, 2], "seasonal_error": [1.0, 3.0]},
    ),
}
ENCODED = {
    "none": np.full(4, -1),
    "category": np.array([0, 1, 2, 1]),
    "labels": np.array([[1, 0], [-1, 1], [0, -1], [-1, -1]], np.int8),
    "number": np.array([[0.0, 40.0], [3.0, 50.0], [9.0, 20.0], [1.0, 60.0]], np.float32),
    "mask": np.array([[[0, 1, 2], [0, 1, 255]], *[[[0, 0, 0], [1, 1, 1]]] * 3], np.uint8),
    "tokens": np.array([[1, 2], [3, 0], [2, 1], [3, 3]], np.int32),
    "boxes": np.array(
        [[[0, 0, 0, 8, 8], [1, 6, 6, 16, 16]], *[[[1, 4, 4, 12, 12], [-1, 0, 0, 0, 0]]] * 2, [[-1, 0, 0, 0, 0]] * 2],
        np.float32,
    ),
}
ENCODED["series"] = np.array([[[0, 4], [1, 9]], *[[[-1, 5], [np.nan, 6]]] * 2, [[2, 1], [0, 5]]], np.float32)
TARGETS["characters"] = FieldSpec(
    "tokens", (3,), "int32", ("t",), (6,), ("", "", "", "", "a", "b"), {"start": [2], "end": [3]}, is_ragged=True
)
ENCODED["characters"] = np.array([[4, 5, 0], [4, 4, 0], [5, 0, 0], [5, 4, 5]], np.int32)
SAMPLES = {("transcription", "tokens"): "characters"}
"""Tasks whose target of a kind needs more than the kind's other tasks."""
CASES = [
    (name, SAMPLES.get((name, kind), kind))
    for name in registry.names("tasks")
    for kind in registry.load("tasks", name).TARGETS
]


def build(name: str, kind: str, **options: object) -> Task:
    module = registry.load("tasks", name)
    task: Task = module.build(module.Settings(**options), TARGETS[kind])
    return task


def forward(task: Task, kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    if task.output.kind == "points":
        return points(task.output.size).requires_grad_(), torch.from_numpy(ENCODED[kind])
    if task.output.kind == "forecast":
        random = torch.randn(4, task.output.steps, task.output.size, generator=torch.Generator().manual_seed(0))
        return random.requires_grad_(), torch.from_numpy(ENCODED[kind])
    if task.output.kind == "clusters":
        out = torch.rand(4, 1 + 2 * task.output.size + 3, generator=torch.Generator().manual_seed(0))
        return out.requires_grad_(), torch.from_numpy(ENCODED[kind])
    if task.output.kind == "steps":
        random = torch.randn(4, 8, task.output.size, generator=torch.Generator().manual_seed(0))
        return random.requires_grad_(), torch.from_numpy(ENCODED[kind])
    if task.output.is_written:
        steps = 2 + task.output.is_told
        out = torch.randn(4, steps, task.output.size, generator=torch.Generator().manual_seed(0))
        return out.requires_grad_(), torch.from_numpy(ENCODED[kind])
    places = {"map": TARGETS[kind].shape, "error": (2, 3)}.get(task.output.kind, ())
    out = torch.randn(4, task.output.size, *places, generator=torch.Generator().manual_seed(0))
    out = out.abs() if task.output.kind == "error" else out
    return out.requires_grad_(), torch.from_numpy(ENCODED[kind])


def points(size: int) -> torch.Tensor:
    """Return the answers of 4 x 4 places on a picture of 16 x 16 pixels: boxes of about their stride, any logits."""
    random = torch.Generator().manual_seed(0)
    middle = torch.cartesian_prod(*[torch.arange(2.0, 16.0, 4.0)] * 2).expand(4, -1, -1)
    reach = torch.randint(4, 12, (4, 16, 4), generator=random) / 2
    boxes = torch.cat([middle - reach[..., :2], middle + reach[..., 2:]], dim=2)
    return torch.cat([middle, torch.full((4, 16, 1), 4.0), boxes, torch.randn(4, 16, size, generator=random)], dim=2)


def answered(task: Task, kind: str) -> dict[str, np.ndarray]:
    """Return a batch's answers: of a network that writes those that are known beside the truth."""
    out, target = forward(task, kind)
    told = task.judge(out, target) if task.output.is_written else task.activate(out)
    return {key: value.detach().numpy() for key, value in told.items()}


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_loss_is_per_row_and_reaches_every_output(name: str, kind: str) -> None:
    """One finite float32 per row, from float32 as from bfloat16, and a gradient for each output."""
    task = build(name, kind)
    out, target = forward(task, kind)
    losses = task.loss(out, target)
    assert losses.shape == (4,)
    assert losses.dtype == torch.float32
    losses.mean().backward()
    assert out.grad is not None
    is_learned = out.grad.abs().sum(0) > 0
    learned = {"points": np.s_[:, 7:], "clusters": np.s_[:1]}.get(task.output.kind, np.s_[:])
    assert is_learned[learned].all()
    assert torch.allclose(task.loss(out.bfloat16(), target), losses, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_the_loss_goes_down_along_its_gradient(name: str, kind: str) -> None:
    """Plain gradient descent on the outputs of one batch halves the loss."""
    task = build(name, kind)
    out, target = forward(task, kind)
    first = task.loss(out, target).mean().item()
    for _ in range(200):
        (gradient,) = torch.autograd.grad(task.loss(out, target).mean(), out)
        out = (out - gradient).detach().requires_grad_()
    assert task.loss(out, target).mean().item() < first / 2


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_answers_decode_to_one_value_per_row(name: str, kind: str) -> None:
    """Answers have the rows first; decoded columns have one value per row."""
    task = build(name, kind)
    answers = answered(task, kind)
    assert all(value.shape[0] == 4 and value.dtype == np.float32 for value in answers.values())
    columns = task.decode(answers)
    assert columns
    assert all(len(column) == 4 for column in columns.values())


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_every_default_metric_scores_the_outcome(name: str, kind: str) -> None:
    """The task's metrics and its monitor are in the room and read its outcome; the loss may be the monitor."""
    task = build(name, kind)
    answers = answered(task, kind)
    outcome = task.outcome(answers, ENCODED[kind])
    for metric in {*task.metrics, task.monitor} - {"loss"}:
        module = registry.load("metrics", metric)
        if task.is_validated_apart and metric != task.monitor:
            assert "texts" in module.KINDS, "judged by `dlw evaluate` on what is written"
            continue
        assert outcome.kind in module.KINDS
        assert isinstance(value_of(module, outcome), float)
        assert outcome.kind in registry.load("tasks", name).TARGETS[TARGETS[kind].kind]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_loss_first_used_in_validation_still_trains(name: str, kind: str) -> None:
    """Constants that a task keeps are not inference tensors."""
    options = {"class_weights": "balanced"} if name == "classification" else {}
    task = build(name, kind, **options)
    out, target = forward(task, kind)
    with torch.inference_mode():
        task.loss(out, target)
    task.loss(out, target).mean().backward()
    assert out.grad is not None


def test_tasks_decode_without_torch() -> None:
    """An exported bundle decodes without torch."""
    code = (
        "import sys; from dlw import registry\n"
        "for name in registry.names('tasks'): registry.load('tasks', name)\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
