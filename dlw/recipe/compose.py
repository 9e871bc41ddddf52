"""From files and `--set` to one tree, and back to text: defaults < extends < file < --set, then `${section.key}`.

Every value keeps the place where it was written, also when that is another file or the command line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from dlw.errors import Problem, RecipeError
from dlw.recipe import parse
from dlw.recipe._layers import assign, merge
from dlw.recipe._nearest import ranked
from dlw.recipe._references import References, escape
from dlw.recipe._refused import names_secret
from dlw.recipe._show import shown, value_shown
from dlw.recipe.parse import Node, Place
from dlw.recipe.places import Sandbox
from dlw.recipe.upgrade import upgrade

if TYPE_CHECKING:
    from dlw.recipe.schema import Recipe

MAX_FILES = 32

MAX_LINE = 100
"""Letters of the longest list or mapping that `dump` leaves on one line."""


@dataclass(frozen=True)
class Composed:
    """One recipe put together. `files` are the names of the layers in problems, the recipe itself first."""

    root: Node
    text: str
    files: tuple[str, ...]
    problems: tuple[Problem, ...]
    broken: frozenset[tuple[str, ...]]
    notes: tuple[str, ...] = ()
    """Keys of an older format that were read by their present names, a line each."""


def compose(path: Path, name: str, sets: Sequence[str] = (), walls: Sandbox | None = None) -> Composed:
    """Read a recipe file, shown as `name` in problems, with all that it extends, and lay `--set` values over it.

    Files outside of the `walls` are not opened.
    """
    root, text = parse.read_file(path, name)
    return _finish(root, text, path, name, sets, walls)


def compose_text(text: str, folder: Path, name: str = "recipe.yaml", sets: Sequence[str] = ()) -> Composed:
    """Compose a recipe given as text whose relative paths start at `folder`."""
    return _finish(parse.parse(text, name, folder), text, folder / name, name, sets)


def _finish(
    root: Node, text: str, path: Path, name: str, sets: Sequence[str], walls: Sandbox | None = None
) -> Composed:
    files, notes = [name], list[str]()
    root = _extended(root, name, (path.resolve(),), files, walls, notes)
    problems: list[Problem] = []
    for assignment in sets:
        root = _with_set(root, assignment, problems)
    references = References(root)
    root = references.follow()
    return Composed(
        root, text, tuple(files), (*problems, *references.problems), frozenset(references.broken), tuple(notes)
    )


def _extended(
    root: Node, name: str, chain: tuple[Path, ...], files: list[str], walls: Sandbox | None, notes: list[str]
) -> Node:
    """Lay a recipe over the files that it extends; `chain` are the files being read, to find a circle."""
    root = upgrade(root, notes)
    entry = root.value.get("extends")
    root = replace(root, value={key: node for key, node in root.value.items() if key != "extends"})
    if entry is None or entry.value is None:
        return root
    merged: Node | None = None
    for link in entry.value if isinstance(entry.value, list) else [entry]:
        layer = _linked(link, name, chain, files, walls, notes)
        merged = layer if merged is None else merge(merged, layer)
    return (merge(merged, root) if merged else root) or root


def _linked(
    link: Node, name: str, chain: tuple[Path, ...], files: list[str], walls: Sandbox | None, notes: list[str]
) -> Node:
    if not isinstance(link.value, str) or not link.value or "\0" in link.value:
        _refuse(link, f"expected a file name, got {value_shown(link.value)}")
    target = link.origin / link.value
    if walls and (refusal := walls.refusal(target)):
        _refuse(link, f"{shown(link.value, 100)} {refusal}")
    shown_name = shown(os.path.normpath(Path(name).parent / link.value), 200)
    if parse.is_file(target) and target.resolve() in chain:
        circle = [file.name for file in (*chain, target)]
        _refuse(link, f"files extend each other in a circle: {shown(' -> '.join(circle), 200)}")
    if len(files) >= MAX_FILES:
        _refuse(link, f"more than {MAX_FILES} files, the limit for a recipe")
    if not parse.is_file(target):
        near = ranked(target.name, [file.name for file in link.origin.glob("*.yaml")])
        hint = f"; there are {', '.join(near[:5])}" if near else ""
        _refuse(link, f"no such file: {shown_name}{hint}; paths start at the recipe's own folder")
    files.append(shown_name)
    layer, _ = parse.read_file(target, shown_name)
    return _extended(layer, shown_name, (*chain, target.resolve()), files, walls, notes)


def _refuse(node: Node, message: str) -> None:
    raise RecipeError([node.place.problem("extends", message)])


def _with_set(root: Node, assignment: str, problems: list[Problem]) -> Node:
    path, equals, text = assignment.partition("=")
    steps = [step.strip() for step in _steps(root, path)]
    place = Place(f"--set {shown(f'{path}=***' if any(map(names_secret, steps)) else assignment, 100)}")
    if not equals or not all(steps):
        problems.append(place.problem("", "expected path=value, for example train.epochs=3"))
        return root
    if steps[0] == "extends":
        problems.append(place.problem("extends", "is only possible in a file"))
        return root
    try:
        value = parse.parse_value(text, place.file, Path.cwd())
        return assign(root, steps, replace(value, key=place)) or root
    except RecipeError as error:
        problems.extend(replace(problem, path=path) for problem in error.problems)
    except IndexError as error:
        problems.append(place.problem(path, str(error)))
    return root


def _steps(root: Node, path: str) -> list[str]:
    """Split a path at its dots; the keys of `search` are paths themselves."""
    section, _, rest = path.partition(".")
    if section != "search" or not rest:
        return path.split(".")
    there = root.value["search"].value if "search" in root.value else None
    known = [key for key in there if f"{rest}.".startswith(f"{key}.")] if isinstance(there, dict) else []
    key = max(known, key=len, default=rest)
    below = rest[len(key) + 1 :]
    return [section, key, *(below.split(".") if below else [])]


def resolve(recipe: Recipe) -> dict[str, Any]:
    """Return a checked recipe as a tree with every default filled in, also those of the plug-ins it names."""
    # Composing alone answers `dlw recipe show`, and must not wait for the plug-ins and pydantic.
    from dlw.recipe._plugins import blocks, plugin_settings
    from dlw.recipe.schema import DEFAULT_EPOCHS

    tree: dict[str, Any] = recipe.model_dump(mode="json")
    if not recipe.search:
        del tree["search"]
    if recipe.train.epochs is None and recipe.train.steps is None:
        tree["train"]["epochs"] = DEFAULT_EPOCHS
    for room, path, name, options in list(blocks(tree)):
        written: Any = tree
        for step in path[:-1]:
            written = written[int(step)] if isinstance(written, list) else written[step]
        last: Any = int(path[-1]) if isinstance(written, list) else path[-1]
        if room == "exporters":
            name = recipe.export.format
        filled = plugin_settings(room, str(name), options).model_dump(mode="json")
        written[last] = {**written[last], **filled}
    return tree


class _Key(str):
    """A key of a mapping, in which `${` means nothing."""

    __slots__ = ()


class _Dumper(yaml.CSafeDumper):
    """Writes what `parse` reads; text that YAML 1.1 or 1.2 would read as something else is quoted."""

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        """Write a short mapping of plain values on one line."""
        return _laid_out(super().represent_mapping(tag, {_Key(key): value for key, value in mapping.items()}))

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        """Write a short list of plain values on one line."""
        return _laid_out(super().represent_sequence(tag, sequence))

    def ignore_aliases(self, data: Any) -> bool:
        """Write equal values out again: aliases are not part of the grammar."""
        return True


def _laid_out(node: Any) -> Any:
    node.flow_style = True
    node.flow_style = _width(node) <= MAX_LINE
    return node


def _width(node: Any) -> int:
    """Return the letters a node takes on one line, more than MAX_LINE if it has lines of its own."""
    if isinstance(node, yaml.ScalarNode):
        return len(node.value) + 2
    if node.flow_style is False:
        return MAX_LINE + 1
    return sum(_width(part) for item in node.value for part in (item if isinstance(item, tuple) else (item,)))


def _text(dumper: _Dumper, value: str) -> yaml.Node:
    written = str(value) if isinstance(value, _Key) else escape(value)
    is_plain = parse.scalar(written) == written and written != "<<"
    return dumper.represent_scalar("tag:yaml.org,2002:str", written, style=None if is_plain else "'")


_Dumper.add_representer(str, _text)
_Dumper.add_representer(_Key, _text)


def dump(tree: dict[str, Any]) -> str:
    """Return YAML that the recipe parser reads back equal; short lists and mappings take one line."""
    return yaml.dump(tree, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=10**6)


def inline(value: Any) -> str:
    """Return a value as YAML that the recipe parser reads back equal, on one line as `--set` takes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)}: {inline(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return quoted(escape(value)) if isinstance(value, str) else json.dumps(value)


def quoted(text: str) -> str:
    """Return text as a YAML scalar in double quotes, on one line whatever letters it has."""
    return "".join(map(_letter, json.dumps(text, ensure_ascii=False)))


def _letter(letter: str) -> str:
    """Escape what would end a line, or may not stand in YAML at all."""
    if letter.isprintable():
        return letter
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else f"\\U{ord(letter):08x}"
