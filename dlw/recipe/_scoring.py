"""Metrics, conditions and monitors that do not go with the task, and options that are found and given at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from dlw import registry
from dlw.errors import did_you_mean
from dlw.recipe._hints import name_problem
from dlw.recipe._plugins import plugin
from dlw.recipe._show import shown
from dlw.recipe._validate import Path
from dlw.recipe._view import Report, View, in_prose
from dlw.recipe.conditions import EXAMPLES, parse
from dlw.specs import NO_TARGET

SPLITS = ("train", "validation", "test")


def metrics(view: View) -> Iterator[Report]:
    """Refuse metrics that are not there or do not read what the task gives."""
    names = view.get("evaluate", "metrics")
    for place, name in enumerate(names if isinstance(names, list) else []):
        if isinstance(name, str):
            yield from _metric(view, name, ("evaluate", "metrics", str(place)))


def conditions(view: View) -> Iterator[Report]:
    """Refuse requirements of another form, or about names that are not there."""
    require = view.get("evaluate", "require")
    for place, text in enumerate(require if isinstance(require, list) else []):
        if not isinstance(text, str):
            continue
        path = ("evaluate", "require", str(place))
        condition = parse(text)
        if condition is None:
            yield path, f"'{shown(text)}' is not a condition such as {EXAMPLES}"
            continue
        if condition.split and condition.split not in SPLITS:
            yield path, name_problem("data.splits", condition.split, SPLITS, what="split")
        yield from _metric(view, condition.metric, path)
        if condition.column and _judges_replies(view, condition.metric):
            yield path, f"{condition.metric} judges replies, and those of all rows together: it has no gap"
        if condition.column:
            yield from _sliced(view, condition.column, path)


def _sliced(view: View, column: str, path: Path) -> Iterator[Report]:
    """Refuse a gap between the groups of a column that is not sliced: no data is needed to find the typo."""
    slices = view.get("evaluate", "slices")
    known = [name for name in slices if isinstance(name, str)] if isinstance(slices, list) else []
    if column not in known:
        more = ", ".join(map(shown, [*known, column]))
        near = did_you_mean(column, map(shown, known)) or f"; add it: `slices: [{more}]`"
        yield path, f"'{shown(column)}' is not a column of evaluate.slices{near}"


def monitor(view: View) -> Iterator[Report]:
    """Refuse to choose the checkpoint by anything but the loss or a metric of the validation split."""
    text = view.get("checkpoint", "monitor")
    if not isinstance(text, str):
        return
    path = ("checkpoint", "monitor")
    split, slash, metric = text.partition("/")
    if split == "test" and slash:
        yield path, f"the test split is read once, by evaluate; did you mean validation/{shown(metric)}?"
    elif split != "validation" or not slash:
        meant = f"validation/{shown(metric or split)}"
        yield path, f"expected validation/METRIC, got '{shown(text)}'; did you mean {meant}?"
    else:
        yield from _metric(view, metric, path, also=("loss",))
        if _judges_writing(view, metric):
            yield path, f"{metric} judges what is written, and only dlw evaluate writes; choose by validation/loss"


def _judges_replies(view: View, metric: str) -> bool:
    """Return whether a metric judges replies in conversations."""
    return not view.get("data", "target") and _judges_writing(view, metric)


def _judges_writing(view: View, metric: str) -> bool:
    """Return whether a metric judges what is written: validations in training do not write."""
    module, task = plugin("metrics", metric), view.plugins.get(("task",))
    written = set(getattr(task, "WRITTEN", ())) & set(outcomes(view))
    return module is not None and set(module.KINDS) <= written


def _metric(view: View, name: str, path: Path, also: Iterable[str] = ()) -> Iterator[Report]:
    if name in also:
        return
    module = plugin("metrics", name)
    if module is None:
        yield path, name_problem("metrics", name, [*registry.names("metrics"), *also])
        return
    kinds = outcomes(view)
    if kinds and not set(kinds) & set(module.KINDS):
        fitting = [
            other for other in registry.names("metrics") if set(kinds) & set(registry.load("metrics", other).KINDS)
        ]
        what = f"{name} reads {in_prose(module.KINDS)}, this task gives {in_prose(kinds)}"
        yield path, f"{what}; there are: {', '.join(fitting)}"


def outcomes(view: View) -> tuple[str, ...]:
    """Return the kinds of specs.Outcome that the task can give for the target."""
    kinds = set(view.fields("target").values())
    task = view.plugins.get(("task",))
    if task is not None and not view.get("data", "target"):
        own = {kind for kind in view.fields("inputs").values() if kind in getattr(task, "OWN_TARGETS", ())}
        kinds = {NO_TARGET.kind} & set(task.TARGETS) or own
    if len(kinds) != 1 or task is None or not kinds <= set(task.TARGETS):
        return ()
    given: tuple[str, ...] = task.TARGETS[kinds.pop()]
    if not (view.get("data", "target") or _holds_conversations(view)):
        given = tuple(kind for kind in given if kind not in getattr(task, "WRITTEN", ()))
    has_levels = view.get("task", "quantiles") is not None
    return tuple(kind for kind in given if kind.endswith("quantiles") == has_levels)


def _holds_conversations(view: View) -> bool:
    return any(hasattr(module, "ROLES") for path, module in view.plugins.items() if path[:2] == ("data", "inputs"))


def searches(view: View) -> Iterator[Report]:
    """Refuse an option that is both given and to be found, and a search without the split that it needs."""
    task, splits = view.plugins.get(("task",)), view.get("data", "splits")
    for option, by in getattr(task, "FOUND_BY", {}).items():
        if view.get("task", by) is None:
            continue
        if view.get("task", option) is not None:
            yield ("task", option), f"is what task.{by} finds; give task.{option} or task.{by}, not both"
        is_named = isinstance(splits, Mapping) and "train" in splits and isinstance(splits["train"], str)
        if is_named and "validation" not in splits:
            yield ("task", by), f"finds task.{option} on the validation split, which data.splits does not name"
