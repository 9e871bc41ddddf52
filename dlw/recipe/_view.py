"""What the checks of a whole recipe look at, and how they speak."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from dlw.recipe._validate import Path

Report = tuple[Path, str]


@dataclass(frozen=True)
class View:
    """What the combinations look at: the tree without places and the plug-ins that could be loaded, by path."""

    tree: Mapping[str, Any]
    plugins: Mapping[Path, ModuleType]

    def get(self, *path: str) -> Any:
        """Return the value at a path, None where there is none."""
        return value_at(self.tree, path)

    def fields(self, side: str) -> dict[str, str]:
        """Return column -> kind of the known fields under `data.inputs` or `data.target`."""
        return {path[2]: module.KIND for path, module in self.plugins.items() if path[:2] == ("data", side)}


def name_of(module: ModuleType) -> str:
    """Return the recipe word of a plug-in."""
    return module.__name__.rpartition(".")[2]


def in_prose(kinds: Iterable[str]) -> str:
    """Return words as a list in prose."""
    *most, last = kinds
    return f"{', '.join(most)} or {last}" if most else last


def that_fit(what: str, names: list[str], kind: str) -> str:
    """Return the part of a message that names what would fit."""
    return f"; {what} for {kind}: {', '.join(names)}" if names else f"; no {what} installed for {kind}"


def value_at(tree: Any, path: Iterable[str]) -> Any:
    """Return what stands at a path of a tree of mappings and lists, None where there is nothing."""
    for step in path:
        if isinstance(tree, Mapping):
            tree = tree.get(step)
        elif isinstance(tree, list) and step.isdecimal() and int(step) < len(tree):
            tree = tree[int(step)]
        else:
            return None
    return tree
