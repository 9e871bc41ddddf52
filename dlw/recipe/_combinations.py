"""Settings that are each right but impossible, contradictory or without effect together; no data is needed.

The rooms speak through their constants: a field's KIND, a model's INPUTS, a task's TARGETS, a metric's and an
augmentation's KINDS.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from dlw import molecules, registry
from dlw.errors import did_you_mean
from dlw.recipe._hints import missing_hint
from dlw.recipe._scoring import SPLITS, conditions, metrics, monitor, outcomes, searches
from dlw.recipe._show import shown
from dlw.recipe._validate import Path
from dlw.recipe._view import Report, View, in_prose, name_of, that_fit, value_at
from dlw.remote import is_remote, problem_of
from dlw.specs import NO_TARGET


def check_combinations(view: View) -> Iterator[Report]:
    """Yield (path, message) of everything that does not go together."""
    checks: tuple[Callable[[View], Iterator[Report]], ...] = (
        _durations,
        _source,
        _columns,
        _taken_over,
        _target,
        _model,
        _augment,
        _laid_on,
        _new_classes,
        metrics,
        conditions,
        monitor,
        _splits,
        searches,
        _episodes,
        _no_effect,
        _extras,
    )
    for check in checks:
        yield from check(view)


def _durations(view: View) -> Iterator[Report]:
    if view.get("train", "epochs") is not None and view.get("train", "steps") is not None:
        told = "contradicts train.epochs; give train.epochs or train.steps, not both"
        yield ("train", "steps"), f"{told} (-s train.epochs=null or -s train.steps=null takes one away)"


def _source(view: View) -> Iterator[Report]:
    """What is wrong with URLs shows without the network."""
    for path in (("data", "source"), ("data", "source", "path")):
        value = view.get(*path)
        for text in value if isinstance(value, list) else [value]:
            problem = problem_of(text) if isinstance(text, str) and is_remote(text) else None
            if problem:
                yield path, problem


def _columns(view: View) -> Iterator[Report]:
    inputs, target, drop = view.get("data", "inputs"), view.get("data", "target"), view.get("data", "drop")
    target = target if isinstance(target, Mapping) else {}
    if isinstance(inputs, Mapping):
        for column in inputs:
            if column in target:
                yield ("data", "inputs", column), "is also in data.target; the network would see the answer"
        if not inputs:
            yield ("data", "inputs"), "names no column; list at least one, or write `inputs: auto`"
        if drop:
            yield ("data", "drop"), "has no effect: it belongs to `inputs: auto`, and this recipe lists its inputs"
    for place, column in enumerate(drop if isinstance(drop, list) else []):
        if isinstance(column, str) and column in target:
            yield ("data", "drop", str(place)), f"'{shown(column)}' is the target, which is never an input"


def _taken_over(view: View) -> Iterator[Report]:
    """Refuse fields that build on an input which is not there, or comes after them."""
    inputs = view.get("data", "inputs")
    if not isinstance(inputs, Mapping):
        return  # which inputs there are is known with the data
    inputs = list(inputs)
    for path, module in view.plugins.items():
        options = view.get(*path) if path[:2] in (("data", "inputs"), ("data", "target")) else None
        if not isinstance(options, Mapping):
            continue
        try:
            name = module.Settings.model_validate({key: options[key] for key in options if key != "type"}).takes_over
        except ValidationError:
            continue  # told where it stands
        before = inputs[: inputs.index(path[2])] if path[1] == "inputs" else inputs
        if name is not None and name not in before:
            yield path, f"builds on the input {shown(name)}, and there is none above it{did_you_mean(name, before)}"


def _target(view: View) -> Iterator[Report]:
    task = view.plugins.get(("task",))
    kinds = view.fields("target")
    if task is None:
        return
    if not view.get("data", "target"):
        yield from _own_target(view, task)
    learned = [kind for kind in task.TARGETS if kind != NO_TARGET.kind]
    for column, kind in kinds.items():
        if kind not in task.TARGETS:
            fitting = [name for name in registry.names("tasks") if kind in registry.load("tasks", name).TARGETS]
            yield (
                ("data", "target", column),
                f"task {name_of(task)} learns {in_prose(learned)}, this field is {kind}"
                f"{that_fit('tasks', fitting, kind)}",
            )
    if len(set(kinds.values())) > 1:
        listed = ", ".join(f"{shown(column)} is {kind}" for column, kind in kinds.items())
        yield ("data", "target"), f"all targets must be of one kind: {listed}"


def _own_target(view: View, task: ModuleType) -> Iterator[Report]:
    """Refuse a recipe without a target column whose task cannot learn from the inputs alone."""
    own = getattr(task, "OWN_TARGETS", ())
    if NO_TARGET.kind in task.TARGETS:
        return
    if not own:
        yield ("data", "target"), f"is required{missing_hint(('data', 'target'), None)}"
        return
    inputs = view.fields("inputs")
    fitting = [column for column, kind in inputs.items() if kind in own]
    if isinstance(view.get("data", "inputs"), Mapping) and len(inputs) and len(fitting) != 1:
        yield (
            ("data", "inputs"),
            f"task {name_of(task)} learns from one input ({in_prose(own)}) where no target is named, "
            f"{len(fitting)} found",
        )


def _model(view: View) -> Iterator[Report]:
    model, task = view.plugins.get(("model",)), view.plugins.get(("task",))
    if model is None:
        return
    kinds = dict.fromkeys(view.fields("inputs").values())
    wanted = task.OUTPUT if task else None
    others = {name: registry.load("models", name) for name in registry.names("models")}
    fitting = [name for name, other in others.items() if set(kinds) <= set(other.INPUTS)]
    fitting = [name for name in fitting if wanted is None or wanted in others[name].OUTPUTS]
    wrong = {column: kind for column, kind in view.fields("inputs").items() if kind not in model.INPUTS}
    if wrong:
        column, kind = next(iter(wrong.items()))
        yield (
            ("data", "inputs", column),
            f"model {name_of(model)} takes {in_prose(model.INPUTS)}, this field is {kind}"
            f"{that_fit('models', fitting, ' and '.join(kinds))}",
        )
    elif task is not None and wanted not in model.OUTPUTS:
        yield (
            ("model", "type") if isinstance(view.get("model"), Mapping) else ("model",),
            f"model {name_of(model)} answers with a {in_prose(model.OUTPUTS)}, task {name_of(task)} needs a {wanted}"
            f"{that_fit('models', fitting, f'task {name_of(task)} and these inputs')}",
        )


def _augment(view: View) -> Iterator[Report]:
    inputs = view.get("data", "inputs")
    kinds = set(view.fields("inputs").values())
    if not isinstance(inputs, Mapping) or len(view.fields("inputs")) < len(inputs):
        return
    for path, module in view.plugins.items():
        if path[:2] == ("data", "augment") and not kinds & set(module.KINDS):
            fitting = [name for name in registry.names("augment") if kinds & set(registry.load("augment", name).KINDS)]
            yield (
                (*path, "type") if isinstance(value_at(view.tree, path), Mapping) else path,
                f"{name_of(module)} changes {in_prose(module.KINDS)}, and no input is one"
                f"{that_fit('augmentations', fitting, ' and '.join(sorted(kinds)))}",
            )


def _laid_on(view: View) -> Iterator[Report]:
    """Refuse augmentations that would leave the mask or the boxes of a picture behind."""
    laid = [
        kind
        for path, module in view.plugins.items()
        if path[:2] == ("data", "target") and hasattr(module, "FOLLOWS")
        for kind in [module.KIND]
    ]
    for path, module in view.plugins.items():
        for kind in laid if path[:2] == ("data", "augment") else ():
            if kind not in module.LAID_ON:
                fitting = [name for name in registry.names("augment") if kind in registry.load("augment", name).LAID_ON]
                yield (
                    (*path, "type") if isinstance(value_at(view.tree, path), Mapping) else path,
                    f"{name_of(module)} does not move the {kind} of the target with the picture"
                    f"{that_fit('augmentations', fitting, kind)}",
                )


def _new_classes(view: View) -> Iterator[Report]:
    """Refuse augmentations that make classes where the task answers with the classes that there were."""
    kinds = outcomes(view)
    for path, module in view.plugins.items():
        options = value_at(view.tree, path) if path[:2] == ("data", "augment") else None
        asked = options if isinstance(options, Mapping) else {}
        for option in getattr(module, "CLASSES", ()):
            if asked.get(option) is True and kinds and "vectors" not in kinds:
                yield (*path, option), f"makes classes for answers that are vectors, this task gives {in_prose(kinds)}"


def _splits(view: View) -> Iterator[Report]:
    plan = view.get("data", "splits")
    if not isinstance(plan, Mapping):
        return
    path = ("data", "splits")
    shares = {name: plan[name] for name in SPLITS if name in plan}
    if "type" in plan or any(isinstance(share, (int, float)) for share in shares.values()):
        yield from _plan(view, plan, path)
    elif shares and "train" not in shares:
        yield path, "has no train split"
    elif "validation" not in shares and view.get("train", "early_stopping") is not None:
        yield ("train", "early_stopping"), "needs a validation split, which data.splits does not name"
    elif "validation" not in shares and view.get("checkpoint", "monitor") is not None:
        yield ("checkpoint", "monitor"), "needs a validation split, which data.splits does not name"


def _plan(view: View, plan: Mapping[str, Any], path: Path) -> Iterator[Report]:
    defaults = {"train": 0.8, "validation": 0.1, "test": 0.1}
    shares = {name: plan.get(name, share) for name, share in defaults.items()}
    if all(isinstance(share, (int, float)) and 0 <= share <= 1 for share in shares.values()):
        total = sum(shares.values())
        if total > 1 + 1e-9:
            listed = ", ".join(f"{name} {share:g}" for name, share in shares.items())
            yield path, f"the shares add up to {total:g}, more than 1: {listed}"
        if shares["train"] == 0:
            yield (*path, "train"), "must be greater than 0"
    kind, by = plan.get("type", "random"), plan.get("by")
    told = {"group": "groups the rows", "time": "orders the rows", "scaffold": "holds SMILES"}
    if kind in told and by is None:
        yield (*path, "type"), f"{kind} needs `by`, the column that {told[kind]}"
    if kind not in ("random", "stratified", "group") and plan.get("fold"):
        yield (*path, "fold"), f"has no effect with type {kind}; folds are of random, stratified and group"
    fold, share = plan.get("fold"), shares["test"]
    if isinstance(fold, int) and isinstance(share, (int, float)) and share and (fold + 1) * share > 1 + 1e-9:
        yield (
            (*path, "fold"),
            f"there are {int(1 / share + 1e-9) if share else 0} folds with test {share:g}, counted from 0",
        )
    if kind in ("random", "stratified", "position") and by is not None:
        yield (*path, "by"), f"has no effect with type {kind}; did you mean type group or time?"
    targets = view.fields("target")
    if kind == "stratified" and targets and "category" not in targets.values():
        yield (*path, "type"), "stratified needs a target of type category"


def _episodes(view: View) -> Iterator[Report]:
    kinds = outcomes(view)
    if view.get("evaluate", "episodes") is not None and kinds and "vectors" not in kinds:
        yield ("evaluate", "episodes"), f"are for answers that are vectors, this task gives {in_prose(kinds)}"


def _no_effect(view: View) -> Iterator[Report]:
    optimizer = view.get("optimizer")
    if isinstance(optimizer, Mapping) and optimizer.get("type") == "sgd":
        is_nesterov = optimizer.get("nesterov", True) is True
        if is_nesterov and optimizer.get("momentum") == 0:
            yield ("optimizer", "momentum"), "is 0, which needs `nesterov: false`"
    if view.get("train", "shard") is True and isinstance(optimizer, Mapping) and optimizer.get("type") == "muon":
        yield ("train", "shard"), "does not go with optimizer muon, which needs whole matrices"
    if view.get("lr_scheduler", "type") == "constant" and view.get("lr_scheduler", "final_fraction"):
        yield ("lr_scheduler", "final_fraction"), "has no effect with type constant"


def _extras(view: View) -> Iterator[Report]:
    if view.get("train", "tensorboard") is True and importlib.util.find_spec("tensorboard") is None:
        yield ("train", "tensorboard"), "needs an optional package: pip install 'dlw[tensorboard]'"
    needed = [(path, getattr(module, "NEEDS", None), name_of(module)) for path, module in view.plugins.items()]
    if view.get("data", "splits", "type") == "scaffold":
        needed.append((("data", "splits", "type"), molecules.NEEDS, "scaffold"))
    for path, needs, name in needed:
        if needs and importlib.util.find_spec(needs[0]) is None:
            yield path, f"{name} needs an optional package: pip install 'dlw[{needs[1]}]'"
