"""How one recipe layer is laid over another: deep merge of mappings, lists replace, null means default.

Where a recipe has a block (`{type: name, ...}` or just `name`), a changed `type` starts the block afresh, because the
options of another plug-in mean nothing to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dlw.recipe.parse import Node

BLOCKS = frozenset({("task",), ("model",), ("optimizer",), ("lr_scheduler",)})
"""Paths of sections that may be shortened to their type."""

_KIND_KEYS = ("type", "format")


def is_block(path: Sequence[str]) -> bool:
    """Return whether the value at `path` may be shortened to its type, as `model: resnet`."""
    return tuple(path) in BLOCKS or (len(path) == 3 and tuple(path[:2]) in {("data", "inputs"), ("data", "target")})


def merge(under: Node | None, over: Node, path: tuple[str, ...] = ()) -> Node | None:
    """Lay `over` on `under`; None means that nothing is left, so that the default holds."""
    if over.value is None:
        # A null that hides nothing stays, so that the check can say where it stands.
        return None if under is not None else over
    if under is None:
        return over
    if is_block(path):
        under, over = _long_form(under), _long_form(over)
    if not isinstance(under.value, dict) or not isinstance(over.value, dict) or _changes_kind(under, over):
        return over
    values = dict(under.value)
    for key, node in over.value.items():
        merged = merge(values.get(key), node, (*path, key))
        if merged is None:
            values.pop(key, None)
        else:
            values[key] = merged
    return replace(over, value=values)


def assign(root: Node | None, path: Sequence[str], value: Node, done: tuple[str, ...] = ()) -> Node | None:
    """Lay `value` on the place `path` below `root`, whose own path is `done`; steps into lists by number.

    Raises IndexError with a message when a list has no such item.
    """
    if not path:
        return merge(root, value, done)
    step, rest = path[0], path[1:]
    if root is not None and isinstance(root.value, list):
        index = int(step) if step.isdecimal() and len(step) < 6 else -1
        if not 0 <= index < len(root.value):
            raise IndexError(f"{'.'.join(done)} is a list of {len(root.value)}; items count from 0, not {step}")
        items = list(root.value)
        child = assign(items[index], rest, value, (*done, step))
        items[index : index + 1] = [] if child is None else [child]
        return replace(root, value=items)
    if root is None or (isinstance(root.value, str) and not is_block(done)) or not isinstance(root.value, (str, dict)):
        root = replace(value, value={})
    root = _long_form(root) if isinstance(root.value, str) else root
    if not rest:
        return merge(root, replace(value, value={step: value}), done)
    values = dict(root.value)
    changed = assign(values.get(step), rest, value, (*done, step))
    if changed is None:
        values.pop(step, None)
    else:
        values[step] = changed
    return replace(root, value=values)


def _long_form(node: Node) -> Node:
    return replace(node, value={"type": replace(node, key=node.place)}) if isinstance(node.value, str) else node


def _changes_kind(under: Node, over: Node) -> bool:
    return any(
        key in over.value and over.value[key].value is not None and under.value[key].value != over.value[key].value
        for key in _KIND_KEYS
        if key in under.value
    )
