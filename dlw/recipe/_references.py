"""`${section.key}`: another value of the same recipe, as the whole value or inside a text. No environment, no code.

`$${` is a plain `${`. Sizes are counted while values are copied, so that references of references cannot unfold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from dlw.errors import Problem
from dlw.recipe._nearest import suggestion
from dlw.recipe._show import shown
from dlw.recipe.parse import MAX_BYTES, MAX_DEPTH, MAX_NODES, MAX_PROBLEMS, Node

_OPEN = re.compile(r"\$?\$\{")
_WHOLE = re.compile(r"\$\{([^{}]*)\}")


def escape(text: str) -> str:
    """Return the text written so that it is read back as it is."""
    return text.replace("${", "$${")


class _Unusable(Exception):  # noqa: N818 - caught below, never seen
    """A reference that cannot be followed; the message says why."""


class References:
    """Follows every reference below one root; `problems` tells what went wrong, `broken` at which paths."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.problems: list[Problem] = []
        self.broken: set[tuple[str, ...]] = set()
        self._active: list[tuple[str, ...]] = []
        self._num_nodes = 0
        self._num_letters = 0

    def follow(self) -> Node:
        """Return the tree with every reference replaced by its value, at the place where the reference stands."""
        return self._node(self.root, ())

    def _node(self, node: Node, path: tuple[str, ...]) -> Node:
        if isinstance(node.value, dict):
            return replace(node, value={key: self._node(child, (*path, key)) for key, child in node.value.items()})
        if isinstance(node.value, list):
            return replace(node, value=[self._node(child, (*path, str(i))) for i, child in enumerate(node.value)])
        try:
            return self._copy(node, 0) if isinstance(node.value, str) and "${" in node.value else node
        except _Unusable as reason:
            self.broken.add(path)
            if len(self.problems) < MAX_PROBLEMS:
                self.problems.append(node.place.problem(".".join(path), str(reason)))
            return replace(node, value=None)

    def _copy(self, node: Node, depth: int) -> Node:
        """Return a node below a reference, its own references followed and its size counted."""
        self._num_nodes += 1
        if self._num_nodes > MAX_NODES or self._num_letters > MAX_BYTES or depth > MAX_DEPTH:
            raise _Unusable("references unfold to more than a recipe may hold")
        if isinstance(node.value, dict):
            return replace(node, value={key: self._copy(child, depth + 1) for key, child in node.value.items()})
        if isinstance(node.value, list):
            return replace(node, value=[self._copy(child, depth + 1) for child in node.value])
        if not isinstance(node.value, str):
            return node
        self._num_letters += len(node.value)
        whole = _WHOLE.fullmatch(node.value)
        if whole:
            target = self._target(whole.group(1), depth)
            return replace(target, place=node.place, key=node.key)
        return replace(node, value="".join(self._pieces(node.value, depth)))

    def _pieces(self, text: str, depth: int) -> Iterator[str]:
        position = 0
        while match := _OPEN.search(text, position):
            yield text[position : match.start()]
            position = match.end()
            if match.group() == "$${":
                yield "${"
                continue
            end = text.find("}", position)
            if end < 0:
                raise _Unusable("`${` without `}`; write `$${` for the two letters themselves")
            value = self._target(text[position:end], depth).value
            if isinstance(value, (dict, list)):
                raise _Unusable(
                    f"${{{shown(text[position:end])}}} is not a single value and cannot stand inside a text"
                )
            yield "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
            position = end + 1
        yield text[position:]

    def _target(self, reference: str, depth: int) -> Node:
        path = tuple(part.strip() for part in reference.split("."))
        if path in self._active:
            circle = [".".join(step) for step in [*self._active[self._active.index(path) :], path]]
            raise _Unusable(f"references run in a circle: {shown(' -> '.join(circle), 200)}")
        node = self._find(path)
        self._active.append(path)
        try:
            return self._copy(node, depth + 1)
        finally:
            self._active.pop()

    def _find(self, path: tuple[str, ...]) -> Node:
        node = self.root
        for step in path:
            if isinstance(node.value, list) and step.isdecimal() and len(step) < 6 and int(step) < len(node.value):
                node = node.value[int(step)]
            elif isinstance(node.value, dict) and step in node.value:
                node = node.value[step]
            else:
                name = ".".join(path)
                hint = suggestion(name, [".".join(known) for known in _paths(self.root, ())])
                raise _Unusable(f"${{{shown(name)}}} is not written in this recipe{hint}")
        return node


def _paths(node: Node, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if path:
        yield path
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            yield from _paths(child, (*path, key))
