"""From a checked recipe and fitted fields to task, network and training job: where plug-ins meet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from dlw import registry
from dlw.errors import DataError, UsageError
from dlw.metrics._base import value_of
from dlw.models._base import Filled
from dlw.recipe.check import settings
from dlw.recipe.schema import Block, Recipe
from dlw.specs import TARGET
from dlw.tasks._base import Task

if TYPE_CHECKING:
    import torch
    from torch import nn

    from dlw.augment._base import Augment
    from dlw.engine.batches import Batches
    from dlw.engine.hardware import Hardware
    from dlw.engine.loop import Job, Metric
    from dlw.verbs._fitted import Fitted


def build_task(recipe: Recipe, fitted: Fitted) -> Task:
    """Return the recipe's task, bound to the fitted target."""
    task: Task = registry.load("tasks", recipe.task.type).build(settings("tasks", recipe.task), fitted.target)
    return task


def build_network(recipe: Recipe, fitted: Fitted, task: Task) -> nn.Module:
    """Return what is trained, with its first weights, a function of the seed: the recipe's network and, where the task
    asks for them, directions of the classes beside it.
    """
    import torch

    torch.manual_seed(recipe.seed)
    network = _build_model(recipe, fitted, task)
    if not task.output.classes:
        return network
    from dlw.models._proxies import Proxies

    made = math.prod(classes_made(block) for block in recipe.data.augment)
    return Proxies(network, replace(task.output, classes=task.output.classes * made))


def classes_made(augment: Block) -> int:
    """Return how many classes an augmentation makes of each class, mostly 1."""
    asked = registry.load("augment", augment.type)
    options = settings("augment", augment)
    return math.prod(made for option, made in getattr(asked, "CLASSES", {}).items() if getattr(options, option))


def answering(network: nn.Module) -> nn.Module:
    """Return the part of `build_network`'s result that is kept for use."""
    from dlw.models._proxies import Proxies

    return network.network if isinstance(network, Proxies) else network


def _build_model(recipe: Recipe, fitted: Fitted, task: Task) -> nn.Module:
    module = registry.load("models", recipe.model.type)
    options = settings("models", recipe.model)

    def build() -> nn.Module:
        network: nn.Module = module.build(options, fitted.inputs, task.output)
        if not (flips := getattr(options, "test_time_flips", [])):
            return network
        from dlw.models._flipped import Flipped

        return Flipped(network, flips, fitted.inputs, is_map=task.output.kind == "map")

    size: int = getattr(options, "ensemble", 1)
    if size == 1:
        return build()
    if not task.output.axes:
        raise UsageError(f"model.ensemble: {size}: a task that needs a {task.output.kind} is answered by one network")
    from dlw.models._ensemble import Ensemble

    return Ensemble(build, size, task.output.axes)


def metric_names(recipe: Recipe, task: Task) -> tuple[str, ...]:
    """Return the metrics of the recipe, else the task's."""
    return tuple(recipe.evaluate.metrics) if recipe.evaluate.metrics is not None else task.metrics


def monitored(recipe: Recipe, task: Task) -> tuple[str, bool]:
    """Return the journal key that chooses the best checkpoint, and whether higher is better."""
    key = recipe.checkpoint.monitor or f"validation/{task.monitor}"
    metric = key.removeprefix("validation/")
    return key, False if metric == "loss" else bool(registry.load("metrics", metric).HIGHER_IS_BETTER)


def headline(recipe: Recipe, task: Task) -> str:
    """Return the metric that chose the checkpoint, or the first reported one if that was the loss or judges another
    kind of outcome."""
    chosen = monitored(recipe, task)[0].rpartition("/")[2]
    is_judged = chosen != "loss" and not task.is_validated_apart
    return chosen if is_judged else (*metric_names(recipe, task), *task.metrics)[0]


def refuse_without_validation(recipe: Recipe) -> None:
    """Raise DataError where an option of the task is to be found on a validation split, and there is none."""
    options = settings("tasks", recipe.task)
    for option, by in getattr(registry.load("tasks", recipe.task.type), "FOUND_BY", {}).items():
        if getattr(options, by) is not None:
            raise DataError(
                f"task.{by} finds task.{option} on the validation split, and there is none: name one in data.splits"
            )


def validation_metrics(recipe: Recipe, task: Task) -> dict[str, Metric]:
    """Return the metrics that are computed at every validation: the recipe's and the monitored one, but for those that
    judge what is written."""
    monitor = monitored(recipe, task)[0].removeprefix("validation/")
    names = dict.fromkeys([*metric_names(recipe, task), *([monitor] if monitor != "loss" else [])])
    modules = {name: registry.load("metrics", name) for name in names}
    written = set(getattr(registry.load("tasks", recipe.task.type), "WRITTEN", ()))
    return {name: partial(value_of, module) for name, module in modules.items() if not set(module.KINDS) <= written}


def _build_augments(recipe: Recipe, fitted: Fitted) -> list[Augment]:
    """Return the recipe's augmentations; each knows of the classes that those before it make."""
    target = fitted.target
    augments = []
    for block in recipe.data.augment:
        groups = {**fitted.inputs, TARGET: target}
        augments.append(registry.load("augment", block.type).build(settings("augment", block), groups))
        target = replace(target, sizes=tuple(size * classes_made(block) for size in target.sizes))
    return augments


def build_job(
    recipe: Recipe,
    fitted: Fitted,
    hardware: Hardware,
    splits: Mapping[str, Batches],
    where: torch.device | None = None,
) -> Job:
    """Put everything the loop needs together, ready for the first step; the weights lie `where`, or on the device."""
    from dlw.engine import optimizers
    from dlw.engine.adversary import Adversary
    from dlw.engine.average import Average
    from dlw.engine.inference import answered_at_once
    from dlw.engine.loop import Job
    from dlw.engine.memory import place

    task = build_task(recipe, fitted)
    network = place(build_network(recipe, fitted, task), where or hardware.device)
    if isinstance(network, Filled) and (recipe.train.ema_decay or recipe.data.augment):
        raise UsageError(
            f"model {recipe.model.type} is filled by one pass over the rows: train.ema_decay and data.augment have no "
            "effect; leave them out"
        )
    monitor, is_higher_better = monitored(recipe, task)
    return Job(
        network=network,
        task=task,
        optimizer=optimizers.build(recipe.optimizer, network),
        scheduler=recipe.lr_scheduler,
        settings=recipe.train,
        seed=recipe.seed,
        hardware=hardware,
        train=splits["train"],
        validation=splits.get("validation"),
        augments=_build_augments(recipe, fitted),
        metrics=validation_metrics(recipe, task),
        monitor=monitor,
        is_higher_better=is_higher_better,
        adversary=Adversary(network, recipe.train.adversarial) if recipe.train.adversarial else None,
        average=Average(network, recipe.train.ema_decay) if recipe.train.ema_decay else None,
        inputs=frozenset([*fitted.inputs, *([TARGET] if task.output.is_told else [])]),
        answer_rows=answered_at_once(network, [*(spec.shape for spec in fitted.inputs.values()), task.output.shape]),
    )
