"""The engine's training step beside the best loop written by hand, on the networks of four recipes.

    pytest -m benchmark tests/benchmarks -s

The hand-written loop has what makes a step fast (resident tensors, channels last, torch's fused AdamW, kept memory) and
nothing else: no checks, no seeds, no averages, no augmentation. Both loops get the same network, batch size and
precision and take short turns, so a busy moment of the machine hits both; the result is the median ratio of neighbours.
With DLW_DATA set the rows are the recipe's own, else random ones of the same shapes.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dlw.engine import loop
from dlw.engine.batches import Resident
from dlw.engine.hardware import prepare
from dlw.engine.loop import Job
from dlw.engine.progress import Plan, Progress
from dlw.progress import Silent
from dlw.recipe.check import load_recipe
from dlw.recipe.schema import Recipe
from dlw.runs.layout import create_run
from dlw.specs import TARGET, Arrays, FieldSpec
from dlw.verbs import _machine
from dlw.verbs._network import build_job
from dlw.verbs._session import begin

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

DATA = os.environ.get("DLW_DATA")
"""Read when the file is: the tests themselves run without it."""
PLAIN = ["data.augment=[]", "train.ema_decay=null", "train.clip_norm=null", "optimizer={type: adamw, lr: 1e-4}"]
"""What both loops do: forward, loss, backward, fused AdamW."""
REQUIRED = 0.98
TURNS = 60
TURN_SECONDS = 0.3


class Material:
    """Specs and rows of a recipe's training split, in the place of fitted fields."""

    def __init__(self, inputs: dict[str, FieldSpec], target: FieldSpec, arrays: Arrays) -> None:
        self.inputs, self.target, self.arrays = inputs, target, arrays


def pictures() -> Material:
    """Return rows like Fashion-MNIST's training split."""
    random = np.random.default_rng(0)
    inputs = {"image": FieldSpec("image", (1, 28, 28), "uint8", statistics={"mean": [72.9], "std": [90.0]})}
    image = random.integers(0, 256, (55_000, 1, 28, 28), dtype=np.uint8)
    return Material(inputs, classes(10, 55_000), {"image": image, TARGET: random.integers(0, 10, 55_000)})


def people() -> Material:
    """Return rows like the adult census's training split: 6 numbers, 8 categories."""
    random = np.random.default_rng(0)
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


def cells() -> Material:
    """Return rows like the blood cells: 205 pictures of 320x240 with 15 boxes each."""
    random = np.random.default_rng(0)
    statistics = {"mean": [170.0, 150.0, 180.0], "std": [50.0] * 3}
    inputs = {"image": FieldSpec("image", (3, 240, 320), "uint8", statistics=statistics)}
    known = {"counts": [[205 * 15, 1, 1]], "picture": [[320, 240]]}
    target = FieldSpec("boxes", (30, 5), "float32", ("objects",), (3,), ("RBC", "WBC", "Platelets"), known)
    boxes = np.full((205, 30, 5), -1, np.float32)
    corner = random.uniform(0, [260, 180], (205, 15, 2))
    boxes[:, :15] = np.concatenate([np.zeros((205, 15, 1)), corner, corner + 50], axis=2)
    return Material(
        inputs, target, {"image": random.integers(0, 256, (205, 3, 240, 320), dtype=np.uint8), TARGET: boxes}
    )


def canvases() -> Material:
    """Return rows like digits_canvas: 180 pictures of 64x64 with 11 classes of pixels."""
    random = np.random.default_rng(0)
    inputs = {"image": FieldSpec("image", (1, 64, 64), "uint8", statistics={"mean": [50.0], "std": [50.0]})}
    labels = tuple(map(str, range(11)))
    target = FieldSpec("mask", (64, 64), "uint8", ("mask",), (11,), labels, {"counts": [[180 * 400] * 11]})
    image, mask = (random.integers(0, high, (180, 1, 64, 64), dtype=np.uint8) for high in (256, 11))
    return Material(inputs, target, {"image": image, TARGET: mask[:, 0]})


def classes(count: int, rows: int) -> FieldSpec:
    """Return the spec of a target of some classes."""
    labels = tuple(map(str, range(count)))
    return FieldSpec("category", (), "int64", ("label",), (count,), labels, {"counts": [[rows // count] * count]})


def plain_job(name: str, substitute: Callable[[], Material], folder: Path) -> tuple[Job, Arrays, Recipe]:
    """Return the job of a shipped recipe without augmentation and average, and its rows."""
    found = load_recipe(name, PLAIN)
    if DATA is not None:
        os.environ["DLW_DATA"] = DATA
        session = begin(found.file, PLAIN, create_run("speed", folder / "run"), Silent())
        encoded = session.fitted.encode(session.tables["train"], with_target=True, listener=Silent())
        material = Material(session.fitted.inputs, session.fitted.target, encoded.arrays)
    else:
        material = substitute()
    hardware = prepare(found.recipe.train)
    job = build_job(found.recipe, material, hardware, {"train": Resident(material.arrays, hardware.device)})  # type: ignore[arg-type]
    return job, material.arrays, found.recipe


def engine_loop(job: Job) -> Callable[[], None]:
    """Return one step of the engine."""
    plan, progress = Plan(job.settings, "1 epoch", job.train.num_rows), Progress()
    batches = loop.training_batches(job, plan, progress)
    job.network.train()

    def step() -> None:
        progress.step %= plan.total_steps
        loop.learn(job, plan, progress, batches)

    return step


def hand_tuned_loop(job: Job, arrays: Arrays, recipe: Recipe) -> Callable[[], None]:
    """Return one step as a person in a hurry would tune it."""
    network = copy.deepcopy(job.network).train()
    columns = {name: torch.from_numpy(array) for name, array in arrays.items()}
    target = columns.pop(TARGET)
    size = job.settings.batch_size
    smoothing = recipe.task.options.get("label_smoothing", 0.0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, weight_decay=0.05, fused=True)
    state = {"order": torch.randperm(len(target)), "place": 0}

    def step() -> None:
        if state["place"] + size > len(target):
            state.update(order=torch.randperm(len(target)), place=0)
        rows = state["order"][state["place"] : state["place"] + size]
        state["place"] += size
        with torch.autocast("cpu", torch.bfloat16, enabled=job.hardware.precision == "bf16"):
            out = network({name: column.index_select(0, rows) for name, column in columns.items()})
        wanted = target.index_select(0, rows)
        if recipe.task.type == "classification" and out.ndim == 3:  # members of an ensemble learn one by one
            wanted = wanted.repeat_interleave(out.shape[1])
            out = out.flatten(0, 1)
        if recipe.task.type == "classification":
            F.cross_entropy(out.float(), wanted, label_smoothing=smoothing).backward()
        elif recipe.task.type == "segmentation":
            share, truth = out.float().softmax(1), F.one_hot(wanted.long(), out.shape[1]).permute(0, 3, 1, 2)
            overlap = 2 * (share * truth).sum((2, 3)) / (share.sum((2, 3)) + truth.sum((2, 3)))
            (F.cross_entropy(out.float(), wanted.long()) + 1 - overlap.mean()).backward()
        else:
            job.task.loss(out.float(), wanted).mean().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def seconds(step: Callable[[], None], steps: int) -> float:
    """Return how long some steps take."""
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return time.perf_counter() - start


@pytest.mark.parametrize(
    ("name", "substitute"),
    [("fashion_mnist", pictures), ("adult_census", people), ("bccd", cells), ("digits_masks", canvases)],
)
def test_the_engine_is_as_fast_as_a_hand_tuned_loop(
    name: str, substitute: Callable[[], Material], tmp_path: Path
) -> None:
    busy = _machine.busy_share()
    if busy > _machine.BUSY:
        pytest.skip(f"other programs keep {busy:.0%} of the processor busy")
    job, arrays, recipe = plain_job(name, substitute, tmp_path)
    engine, by_hand = engine_loop(job), hand_tuned_loop(job, arrays, recipe)
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
