"""Open a finished or interrupted run for use: its recipe, fitted fields and network with the chosen weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dlw import registry
from dlw.errors import CheckpointError
from dlw.progress import Listener, Silent
from dlw.ranks import Place
from dlw.recipe.check import load_recipe
from dlw.recipe.schema import Block, Recipe
from dlw.runs import store
from dlw.runs.layout import Run, open_run
from dlw.tasks._base import Task
from dlw.verbs._fitted import Fitted
from dlw.verbs._network import answering, build_network, build_task

if TYPE_CHECKING:
    from torch import Tensor, nn

    from dlw.engine.hardware import Hardware
    from dlw.engine.inference import Predictor


@dataclass(frozen=True)
class Trained:
    """A run ready to answer."""

    run: Run
    recipe: Recipe
    root: Path
    fitted: Fitted
    task: Task
    predictor: Predictor
    hardware: Hardware
    step: int


def open_trained(
    folder: Path, which: store.Which = "best", listener: Listener | None = None, place: Place | None = None
) -> Trained:
    """Load a run with its best (or `last`) weights, the averaged ones where the run keeps an average.

    `place` is that of this process among several.

    Raises RunError or CheckpointError; a checkpoint that does not fit the network is refused.
    """
    from dlw.engine.hardware import prepare
    from dlw.engine.inference import Predictor
    from dlw.engine.memory import place as placed

    listener = listener or Silent()
    run = open_run(folder)
    loaded = load_recipe(run.resolved)
    for note in loaded.notes:
        listener.line(note)
    fitted = read_fitted(run)
    saved = store.load(run, which, listener)
    _refuse_other_code(saved)
    recipe = _calibrated(loaded.recipe, saved)
    task = build_task(recipe, fitted)
    hardware = prepare(recipe.train, place)
    network = placed(build_network(recipe, fitted, task), hardware.device)
    restore(network, saved.tensors.get("ema") or saved.tensors.get("model", {}), saved.path)
    predictor = Predictor(answering(network), task).eval().requires_grad_(False)
    return Trained(run, recipe, loaded.root, fitted, task, predictor, hardware, saved.step)


def _calibrated(recipe: Recipe, saved: store.Saved) -> Recipe:
    """Fill in the task's options that were found on the validation split, where the recipe does not set them."""
    from dlw.engine.progress import Progress

    found = Progress.from_json(saved.state["progress"]).calibration
    known = registry.load("tasks", recipe.task.type).Settings.model_fields
    foreign = [name for name in found if name not in known]
    if foreign:
        raise CheckpointError(f"{saved.path}: holds options that task {recipe.task.type} does not have: {foreign}")
    given = {name: value for name, value in recipe.task.options.items() if value is not None}
    task = Block.model_validate({"type": recipe.task.type, **found, **given})
    return recipe.model_copy(update={"task": task})


def _refuse_other_code(saved: store.Saved) -> None:
    """Raise CheckpointError where a `--code` file is not the one that the network was trained with."""
    prints = saved.state.get("fingerprint")
    trained_with = prints.get("code") if isinstance(prints, Mapping) else None
    for file in registry.code_files():
        name = f"{file.parent.name}/{file.stem}"
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        if isinstance(trained_with, Mapping) and trained_with.get(name, digest) != digest:
            raise CheckpointError(
                f"{saved.path}: was trained with another {name}.py: --code {file} has the sha256 {digest[:12]}..., "
                f"the checkpoint wants {str(trained_with[name])[:12]}..."
            )


def read_fitted(run: Run) -> Fitted:
    """Return the run's fitted fields."""
    return Fitted.from_json(json.loads(run.fields.read_bytes()))


def restore(network: nn.Module, tensors: Mapping[str, Tensor], place: Path) -> None:
    """Copy stored weights into a network; raises CheckpointError naming what does not fit."""
    problem = store.mismatch(tensors, network.state_dict())
    if problem:
        raise CheckpointError(f"{place}: the stored weights do not fit the recipe's network: {problem}")
    network.load_state_dict(dict(tensors))
