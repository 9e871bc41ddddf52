"""In what two recipes differ, every default filled in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dlw.recipe.check import Loaded
from dlw.recipe.compose import resolve


def diff(left: Loaded, right: Loaded) -> list[tuple[str, Any, Any]]:
    """Return (path, value left, value right) of every difference, in the order of the recipe; None: not there."""
    first, second = (dict(leaves(resolve(loaded.recipe), "")) for loaded in (left, right))
    paths = [*first, *(path for path in second if path not in first)]
    return [(path, first.get(path), second.get(path)) for path in paths if first.get(path) != second.get(path)]


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield (path, value) of everything but mappings; lists of mappings are gone into, others are one value."""
    if isinstance(value, dict) and value:
        children = [(str(key), child) for key, child in value.items()]
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        children = [(str(place), child) for place, child in enumerate(value)]
    else:
        yield path, value
        return
    for step, child in children:
        yield from leaves(child, f"{path}.{step}" if path else step)
