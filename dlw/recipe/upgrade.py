"""Recipes of an older format, read in memory as the present one: the keys that each format renamed, told line by line.

The file stays as it is. A format that renames keys adds a line to RENAMES; one that changes what a key means cannot be
upgraded this way and gets no line, so that its recipes are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dlw.errors import Problem, RecipeError
from dlw.recipe.parse import Node

FORMAT_VERSION = 1
"""The present format of recipes."""
RENAMES: Mapping[int, Mapping[str, str]] = {}
"""Format -> keys that the next format calls otherwise, such as `train.lr: optimizer.lr`. Format 1 is the first."""


def upgrade(root: Node, notes: list[str]) -> Node:
    """Return the tree of one file in the present format; `notes` get a line for each key read by its new name.

    Raises RecipeError where a key is there by both names. What has no way to the present format stays as it is.
    """
    stated = root.value.get("recipe")
    if stated is None or type(stated.value) is not int or not 0 <= stated.value < FORMAT_VERSION:
        return root
    formats = range(stated.value, FORMAT_VERSION)
    if not all(number in RENAMES for number in formats):
        return root
    problems: list[Problem] = []
    for number in formats:
        for old, new in RENAMES[number].items():
            root = _renamed(root, old, new, number + 1, notes, problems)
    if problems:
        raise RecipeError(problems)
    return replace(root, value={**root.value, "recipe": replace(stated, value=FORMAT_VERSION)})


def _renamed(root: Node, old: str, new: str, number: int, notes: list[str], problems: list[Problem]) -> Node:
    rest, node = _taken(root, old.split("."))
    if node is None:
        return root
    place = node.key or node.place
    if _taken(rest, new.split("."))[1] is not None:
        problems.append(place.problem(old, f"is called {new} since format {number}, and that is there, too"))
        return root
    notes.append(str(place.problem(old, f"is called {new} since format {number}; read as that")))
    return _with(rest, new.split("."), node)


def _taken(node: Node, steps: Sequence[str]) -> tuple[Node, Node | None]:
    """Return a tree without the value at a path, and the value, None where there is none."""
    inside = node.value
    if not isinstance(inside, dict) or steps[0] not in inside:
        return node, None
    if len(steps) == 1:
        return replace(node, value={key: child for key, child in inside.items() if key != steps[0]}), inside[steps[0]]
    rest, found = _taken(inside[steps[0]], steps[1:])
    return replace(node, value={**inside, steps[0]: rest}), found


def _with(node: Node, steps: Sequence[str], value: Node) -> Node:
    """Return a tree with a value at a path; sections that it needs stand where the value was written."""
    inside = node.value if isinstance(node.value, dict) else {}
    child = value if len(steps) == 1 else _with(inside.get(steps[0], replace(value, value={})), steps[1:], value)
    return replace(node, value={**inside, steps[0]: child})
