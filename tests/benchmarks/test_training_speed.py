"""The engine's training step beside the best loop written by hand, on the networks of six recipes.

    pytest -m benchmark tests/benchmarks -s

The hand-written loop has what makes a step fast (resident tensors, channels last, torch's fused AdamW, kept memory) and
nothing else: no checks, no seeds, no averages, no augmentation. Both loops get the same network, batch size and
precision and take short turns, so a busy moment of the machine hits both; the result is the median ratio of neighbours.
The rows are random ones of the recipe's shapes.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from dlw.engine import loop
from dlw.engine.batches import Batches, Resident, Streamed
from dlw.engine.hardware import prepare
from dlw.engine.loop import Job
from dlw.engine.progress import Plan, Progress
from dlw.recipe.check import load_recipe
from dlw.recipe.schema import Recipe
from dlw.specs import TARGET, Arrays, FieldSpec
from dlw.verbs import _machine
from dlw.verbs._network import build_job

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

PLAIN = ["data.augment=[]", "train.ema_decay=null", "train.clip_norm=null", "optimizer={type: adamw, lr: 1e-4}"]
"""What both loops do: forward, loss, backward, fused AdamW."""
REQUIRED = 0.98
TURNS = 60
TURN_SECONDS = 0.3


@dataclass(frozen=True)
class Material:
    """Specs and rows of a training split, in the place of fitted fields; `is_packed` rows are windows of a stream."""

    inputs: dict[str, FieldSpec]
    target: FieldSpec
    arrays: Arrays
    is_packed: bool = False

    def batches(self, device: torch.device) -> Batches:
        """Return what dlw.verbs makes of such rows."""
        if not self.is_packed:
            return Resident(self.arrays, device)
        num_rows = len(self.arrays[TARGET])
        return Streamed(lambda rows: {name: array[rows] for name, array in self.arrays.items()}, num_rows, device, 1)


def pictures(random: np.random.Generator) -> Material:
    """Return rows like Fashion-MNIST's training split."""
    inputs = {"image": FieldSpec("image", (1, 28, 28), "uint8", statistics={"mean": [72.9], "std": [90.0]})}
    image = random.integers(0, 256, (55_000, 1, 28, 28), dtype=np.uint8)
    return Material(inputs, classes(10, 55_000), {"image": image, TARGET: random.integers(0, 10, 55_000)})


def people(random: np.random.Generator) -> Material:
    """Return rows like the adult census's training split: 6 numbers, 8 categories."""
    number = random.normal(size=(22_793, 6)).astype(np.float32)
    edges = np.quantile(number, np.linspace(0, 1, 65), axis=0).T.tolist()
    moments = {"mean": [0.0] * 6, "std": [1.0] * 6, "edges": edges}
    sizes = (9, 17, 8, 16, 7, 6, 3, 43)
    inputs = {
        "number": FieldSpec("number", (6,), "float32", tuple("abcdef"), statistics=moments),
        "category": FieldSpec("category", (8,), "int64", tuple("ghijklmn"), sizes=sizes),
    }
    category = random.integers(0, sizes, (22_793, 8))
    arrays = {"number": number, "category": category, TARGET: random.integers(0, 2, 22_793)}
    return Material(inputs, classes(2, 22_793), arrays)


def sentences(random: np.random.Generator) -> Material:
    """Return rows like sentences of film reviews, all of 32 words."""
    inputs = {"text": FieldSpec("tokens", (32,), "int32", ("text",), (8_000,))}
    token = random.integers(1, 8_000, (6_920, 32), dtype=np.int32)
    return Material(inputs, classes(2, 6_920), {"text": token, TARGET: random.integers(0, 2, 6_920)})


def plays(random: np.random.Generator) -> Material:
    """Return windows like those of the Shakespeare recipe: 64 of 65 characters, and the character after each."""
    known = {"end": [1], "characters": [1] * 65}
    spec = FieldSpec("tokens", (64,), "int32", ("text",), (65,), statistics=known)
    stream = random.integers(1, 65, (10_000, 65), dtype=np.int32)
    return Material({"text": spec}, spec, {"text": stream[:, :-1], TARGET: stream[:, 1:]}, is_packed=True)


def cells(random: np.random.Generator) -> Material:
    """Return rows like the blood cells: 205 pictures of 320x240 with 15 boxes each."""
    statistics = {"mean": [170.0, 150.0, 180.0], "std": [50.0] * 3}
    inputs = {"image": FieldSpec("image", (3, 240, 320), "uint8", statistics=statistics)}
    known = {"counts": [[205 * 15, 1, 1]], "picture": [[320, 240]]}
    target = FieldSpec("boxes", (30, 5), "float32", ("objects",), (3,), ("RBC", "WBC", "Platelets"), known)
    boxes = np.full((205, 30, 5), -1, np.float32)
    corner = random.uniform(0, [260, 180], (205, 15, 2))
    boxes[:, :15] = np.concatenate([np.zeros((205, 15, 1)), corner, corner + 50], axis=2)
    image = random.integers(0, 256, (205, 3, 240, 320), dtype=np.uint8)
    return Material(inputs, target, {"image": image, TARGET: boxes})


def canvases(random: np.random.Generator) -> Material:
    """Return rows like digits_canvas: 180 pictures of 64x64 with 11 classes of pixels."""
    inputs = {"image": FieldSpec("image", (1, 64, 64), "uint8", statistics={"mean": [50.0], "std": [50.0]})}
    labels = tuple(map(str, range(11)))
    target = FieldSpec("mask", (64, 64), "uint8", ("mask",), (11,), labels, {"counts": [[180 * 400] * 11]})
    image, mask = (random.integers(0, high, (180, 1, 64, 64), dtype=np.uint8) for high in (256, 11))
    return Material(inputs, target, {"image": image, TARGET: mask[:, 0]})


def classes(count: int, rows: int) -> FieldSpec:
    """Return the spec of a target of some classes."""
    labels = tuple(map(str, range(count)))
    return FieldSpec("category", (), "int64", ("label",), (count,), labels, {"counts": [[rows // count] * count]})


def mean_entropy(job: Job, recipe: Recipe, out: Tensor, wanted: Tensor) -> Tensor:
    """Return the loss of classes; the members of an ensemble learn one by one."""
    if out.ndim == 3:
        wanted = wanted.repeat_interleave(out.shape[1])
        out = out.flatten(0, 1)
    return F.cross_entropy(out, wanted, label_smoothing=recipe.task.options.get("label_smoothing", 0.0))


def entropy_and_dice(job: Job, recipe: Recipe, out: Tensor, wanted: Tensor) -> Tensor:
    """Return the loss of pixels."""
    share, truth = out.softmax(1), F.one_hot(wanted.long(), out.shape[1]).permute(0, 3, 1, 2)
    overlap = 2 * (share * truth).sum((2, 3)) / (share.sum((2, 3)) + truth.sum((2, 3)))
    return F.cross_entropy(out, wanted.long()) + 1 - overlap.mean()


def next_token(job: Job, recipe: Recipe, out: Tensor, wanted: Tensor) -> Tensor:
    """Return the loss of the token after each."""
    return F.cross_entropy(out.flatten(0, 1), wanted.flatten().long())


def of_the_task(job: Job, recipe: Recipe, out: Tensor, wanted: Tensor) -> Tensor:
    """Return the task's own loss, where nobody would write another."""
    return job.task.loss(out, wanted).mean()


@dataclass(frozen=True)
class Case:
    """A recipe, changed by `sets`, with rows and the loss as one would write it by hand."""

    recipe: str
    material: Callable[[np.random.Generator], Material]
    loss: Callable[[Job, Recipe, Tensor, Tensor], Tensor]
    sets: tuple[str, ...] = ()


CASES = {
    "mlp": Case("adult_census", people, mean_entropy),
    "cnn": Case("fashion_mnist", pictures, mean_entropy),
    "lstm": Case("sst2_rnn", sentences, mean_entropy, ("model.cell=lstm",)),
    "gpt": Case("shakespeare_small", plays, next_token),
    "unet": Case("digits_masks", canvases, entropy_and_dice),
    "detector": Case("bccd", cells, of_the_task),
}


def engine_loop(job: Job) -> Callable[[], None]:
    """Return one step of the engine."""
    plan, progress = Plan(job.settings, "1 epoch", job.train.num_rows), Progress()
    batches = loop.training_batches(job, plan, progress)
    job.network.train()

    def step() -> None:
        progress.step %= plan.total_steps
        loop.learn(job, plan, progress, batches)

    return step


def hand_tuned_loop(job: Job, arrays: Arrays, loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], None]:
    """Return one step as a person in a hurry would tune it."""
    network = copy.deepcopy(job.network).train()
    columns = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    target = columns.pop(TARGET)
    size = job.settings.batch_size
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, weight_decay=0.05, fused=True)
    state: dict[str, Any] = {"order": torch.randperm(len(target)), "place": 0}

    def step() -> None:
        if state["place"] + size > len(target):
            state.update(order=torch.randperm(len(target)), place=0)
        rows = state["order"][state["place"] : state["place"] + size]
        state["place"] += size
        with torch.autocast("cpu", torch.bfloat16, enabled=job.hardware.precision == "bf16"):
            out = network({name: column.index_select(0, rows) for name, column in columns.items()})
        loss(out.float(), target.index_select(0, rows)).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def seconds(step: Callable[[], None], steps: int) -> float:
    """Return how long some steps take."""
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return time.perf_counter() - start


@pytest.mark.parametrize("name", CASES)
def test_the_engine_is_as_fast_as_a_hand_tuned_loop(name: str) -> None:
    busy = _machine.busy_share()
    if busy > _machine.BUSY:
        pytest.skip(f"other programs keep {busy:.0%} of the processor busy")
    case = CASES[name]
    recipe, material = load_recipe(case.recipe, [*PLAIN, *case.sets]).recipe, case.material(np.random.default_rng(0))
    hardware = prepare(recipe.train)
    job = build_job(recipe, material, hardware, {"train": material.batches(hardware.device)})  # type: ignore[arg-type]
    engine = engine_loop(job)
    by_hand = hand_tuned_loop(job, material.arrays, lambda out, wanted: case.loss(job, recipe, out, wanted))
    seconds(engine, 2), seconds(by_hand, 2)
    steps = max(1, round(TURN_SECONDS / seconds(by_hand, 1)))
    ratios, speeds = [], []
    for turn in range(TURNS):
        loops = (engine, by_hand) if turn % 2 else (by_hand, engine)
        took = {step: seconds(step, steps) for step in loops}
        ratios.append(took[by_hand] / took[engine])
        speeds.append(steps * job.settings.batch_size / took[engine])
    print(f"\n{name}: {median(speeds):,.0f} rows/s, {median(ratios):.3f} of the hand-tuned loop ({job.hardware})")
    assert median(ratios) >= REQUIRED
