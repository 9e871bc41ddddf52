"""Whether a recipe is right, before any data is read and without torch: every problem at once, in file order.

First the grammar (recipe.parse) and the layers (recipe.compose); then the schema's sections; then each plug-in's own
Settings; then what the parts mean together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from dlw import registry
from dlw.errors import Problem, RecipeError
from dlw.recipe import _validate
from dlw.recipe._combinations import check_combinations
from dlw.recipe._hints import all_keys, key_hint, missing_hint, name_problem
from dlw.recipe._layers import is_block
from dlw.recipe._nearest import nearest
from dlw.recipe._plugins import blocks, check_options, plugin, plugin_settings
from dlw.recipe._refused import find_objects, find_secrets
from dlw.recipe._search import search_problems
from dlw.recipe._show import shown
from dlw.recipe._validate import Fault, validate
from dlw.recipe._view import View, value_at
from dlw.recipe._words import PYTHON_OBJECTS, name_meant
from dlw.recipe.compose import Composed, compose, compose_text
from dlw.recipe.find import find_recipe
from dlw.recipe.parse import MAX_PROBLEMS, Node, Place
from dlw.recipe.places import Sandbox
from dlw.recipe.schema import Block, Recipe
from dlw.recipe.upgrade import FORMAT_VERSION

FREE_KEYS = (("data", "inputs"), ("data", "target"), ("data", "splits"), ("search",))
"""Sections whose keys the user names: a null there has no default to mean."""


@dataclass(frozen=True)
class Loaded:
    """A recipe that is right. `root` is where relative data paths start, `text` the file as written.

    `notes` tell, a line each, which keys of an older format were read by their present names.
    """

    recipe: Recipe
    root: Path
    text: str
    file: Path
    notes: tuple[str, ...] = ()


def load_recipe(reference: str | Path, sets: Sequence[str] = (), *, is_sandboxed: bool = False) -> Loaded:
    """Find, compose and check a recipe; raises RecipeError with every problem found.

    `is_sandboxed` also refuses paths that leave the recipe's folder (see recipe.places).
    """
    file = find_recipe(reference)
    walls = Sandbox.around(file) if is_sandboxed else None
    composed = compose(file, _shown_name(file), sets, walls)
    recipe = check(composed)
    if walls:
        walls.check(composed.root)
    return Loaded(recipe, _root(composed, file.parent), composed.text, file, composed.notes)


def load_text(text: str, folder: Path, name: str = "recipe.yaml", sets: Sequence[str] = ()) -> Loaded:
    """Check a recipe given as text whose relative paths start at `folder`."""
    composed = compose_text(text, folder, name, sets)
    return Loaded(check(composed), _root(composed, folder), composed.text, folder / name, composed.notes)


def settings(room: str, block: Block) -> BaseModel:
    """Return the typed Settings of the plug-in that a checked block names."""
    return plugin_settings(room, block.type, block.options)


def check(composed: Composed) -> Recipe:
    """Return the recipe of a composed tree; raises RecipeError with every problem found."""
    findings = _Findings(composed)
    for path, message in [*find_secrets(composed.root), *find_objects(composed.root)]:
        findings.add(path, message, at_key=path[-1] in PYTHON_OBJECTS)
        findings.settled.add(path)
    _check_version(composed, findings)
    tree = _without_nulls(composed.root, (), findings)
    recipe, faults = validate(Recipe, tree)
    plugins = {}
    for room, path, name, options in blocks(tree):
        module = plugin(room, "onnx" if name is None else name)
        if module is None:
            place = (*path, "format") if room == "exporters" else path
            place = (*path, "type") if isinstance(findings.node(path).value, dict) and room != "exporters" else place
            findings.add(place, name_problem(room, str(name), registry.names(room)))
            continue
        plugins[path] = module
        faults += check_options(module, options, path)
    faults += _unknown_nulls(composed.root.plain(), tree, plugins)
    faults = [_mistyped_type(fault, tree) for fault in faults]
    keys = all_keys(tree) if any(fault.kind == "unknown" for fault in faults) else []
    for fault in faults:
        findings.add(fault.path, partial(_worded, fault, tree, plugins, keys), at_key=fault.is_key)
    for path, message in check_combinations(View(tree, plugins)):
        findings.add(path, message)
    findings.raise_if_any()
    assert recipe is not None, "a recipe without problems has a value"
    if recipe.search:
        findings.problems = [*search_problems(composed.root, partial(_problems, composed))]
        findings.raise_if_any()
    return recipe


def _problems(composed: Composed, root: Node) -> Sequence[Problem]:
    """Return everything wrong with a recipe once its tree is another."""
    try:
        check(replace(composed, root=root))
    except RecipeError as error:
        return error.problems
    return ()


def _worded(fault: Fault, tree: Any, plugins: Mapping[tuple[str, ...], ModuleType], keys: list[str]) -> str:
    """Return a fault's message with what somebody may have meant."""
    *section, last = fault.path or ("",)
    if fault.kind == "unknown":
        owner = next(
            (path for path in plugins if tuple(section[: len(path)]) == path and tuple(section) != ("export",)), None
        )
        model: type[BaseModel] = plugins[owner].Settings if owner else Recipe
        start = len(owner) if owner else 0
        own = list(fault.known or _validate.section(model, section[start:], value_at(tree, section[:start])))
        if tuple(section) == ("export",):
            own += list(plugins[("export",)].Settings.model_fields)
        return fault.message + key_hint(last, own, tuple(section), keys)
    if fault.kind == "missing":
        room = next((room for path, room in _rooms_by_key() if tuple(section[: len(path)]) == path), None)
        return fault.message + missing_hint(fault.path, room)
    if is_block(fault.path) and fault.message.startswith("expected a mapping"):
        return fault.message.replace("expected a mapping", "expected a name or a mapping with `type`")
    if len(fault.path) == 2 and section == ["search"]:
        return fault.message.replace("expected a mapping", "expected a list of choices or `{low: ..., high: ...}`")
    if fault.kind == "word":
        value = value_at(tree, fault.path)
        if not isinstance(value, str):
            return fault.message
        place = [step for step in fault.path if step != "type"]
        meant = name_meant(".".join(place), value, fault.known) or name_meant(".".join(fault.path), value, fault.known)
        return fault.message + (f"; did you mean {meant}?" if meant else "")
    if isinstance(value_at(tree, fault.path), str) and fault.path == ("train", "device"):
        meant = name_meant("train.device", value_at(tree, fault.path), ["auto", "cpu", "cuda", "mps"])
        return fault.message + (f"; did you mean {meant}?" if meant else "")
    return fault.message


def _mistyped_type(fault: Fault, tree: Any) -> Fault:
    """Turn `type` missing from a block into an unknown key where another key was meant to be it."""
    block = value_at(tree, fault.path[:-1])
    if fault.kind != "missing" or fault.path[-1:] != ("type",) or not isinstance(block, dict):
        return fault
    meant = [key for key in block if nearest(key, ["type"]) or key in ("name", "kind", "class")]
    return Fault((*fault.path[:-1], meant[0]), "unknown", "unknown key", ("type",), True) if meant else fault


def _rooms_by_key() -> Iterator[tuple[tuple[str, ...], str]]:
    yield ("task",), "tasks"
    yield ("model",), "models"
    yield ("data", "source"), "sources"
    yield ("data", "inputs"), "fields"
    yield ("data", "target"), "fields"
    yield ("data", "augment"), "augment"


def _check_version(composed: Composed, findings: _Findings) -> None:
    """Refuse another format at once: what else is wrong with it may be right there."""
    node = composed.root.value.get("recipe")
    if node is None or isinstance(node.value, bool) or not isinstance(node.value, int) or node.value == FORMAT_VERSION:
        return
    if node.value > FORMAT_VERSION:
        advice = "is newer than this dlw reads; upgrade with `pip install -U dlw`"
    else:
        advice = f"was never in use; write `recipe: {FORMAT_VERSION}`"
    message = f"format {shown(str(node.value), 20)} {advice} (this dlw reads format {FORMAT_VERSION})"
    raise RecipeError([node.place.problem("recipe", message)])


def _without_nulls(node: Node, path: tuple[str, ...], findings: _Findings) -> Any:
    """Return the plain tree without the nulls, which mean default; where there is none, they stay and are reported."""
    if isinstance(node.value, list):
        return [_without_nulls(child, (*path, str(place)), findings) for place, child in enumerate(node.value)]
    if not isinstance(node.value, dict):
        return node.value
    tree = {}
    for key, child in node.value.items():
        is_plan_option = path[-1:] == ("splits",) and key in ("type", "by", "seed")
        if child.value is not None:
            tree[key] = _without_nulls(child, (*path, key), findings)
        elif path in FREE_KEYS and not is_plan_option:
            example = {"splits": '"train[:90%]"', "search": "[1, 2]"}.get(path[-1], "number")
            message = f"has no value; write one, for example `{shown(key)}: {example}`"
            findings.add((*path, key), message, at_key=True)
            findings.settled.add((*path, key))
            tree[key] = None
    return tree


def _unknown_nulls(whole: Any, tree: Any, plugins: Mapping[tuple[str, ...], ModuleType]) -> list[Fault]:
    """Return the keys without a value that nobody knows: such a null means no default, it was meant for another key."""
    if whole == tree:
        return []
    _, faults = validate(Recipe, whole)
    for _, path, _, options in blocks(whole):
        if path in plugins:
            faults += check_options(plugins[path], options, path)
    return [fault for fault in faults if fault.kind == "unknown" and value_at(whole, fault.path) is None]


class _Findings:
    """Collects problems, each at the place where the value was written; one value's first problem is enough."""

    def __init__(self, composed: Composed) -> None:
        self.composed = composed
        self.problems: Sequence[Problem] = composed.problems
        self.settled = set(composed.broken)
        self._found: list[tuple[Place, str, str | Callable[[], str]]] = []

    def node(self, path: Sequence[str]) -> Node:
        """Return the node at a path, or the nearest one around it."""
        return _walk(self.composed.root, path)[0]

    def add(self, path: Sequence[str], message: str | Callable[[], str], *, at_key: bool = False) -> None:
        """Note a problem, unless the value at the path is already known to be wrong.

        A message that takes time to find is given as a function and asked for only if the problem is among the first.
        """
        if any(tuple(path[: len(other)]) == other for other in self.settled):
            return
        node, is_there = _walk(self.composed.root, path)
        at_key = at_key or not is_there or isinstance(node.value, (dict, list))
        place = node.key if at_key and node.key else node.place
        self._found.append((place, ".".join(shown(step) for step in path), message))

    def raise_if_any(self) -> None:
        """Raise RecipeError with the first problems in the order of the files."""
        found = [(Place(each.file, each.line, each.column), each.path, each.message) for each in self.problems]
        ordered = sorted([*found, *self._found], key=lambda each: self._rank(each[0]))
        first = [
            (place, path, said if isinstance(said, str) else said()) for place, path, said in ordered[:MAX_PROBLEMS]
        ]
        problems = [place.problem(path, message) for place, path, message in dict.fromkeys(first)]
        if len(ordered) > MAX_PROBLEMS:
            problems.append(
                Problem(self.composed.files[0], 0, 0, "", f"and {len(ordered) - MAX_PROBLEMS} more problems")
            )
        if problems:
            raise RecipeError(problems)

    def _rank(self, place: Place) -> tuple[int, int, int]:
        files = self.composed.files
        return (files.index(place.file) if place.file in files else len(files), place.line, place.column)


def _walk(node: Node, path: Iterable[str]) -> tuple[Node, bool]:
    for step in path:
        if isinstance(node.value, dict) and step in node.value:
            node = node.value[step]
        elif isinstance(node.value, list) and step.isdecimal() and int(step) < len(node.value):
            node = node.value[int(step)]
        else:
            return node, False
    return node, True


def _root(composed: Composed, folder: Path) -> Path:
    """Return where data paths start: the folder of the file that names them; for `--set`, the working folder."""
    source, is_there = _walk(composed.root, ("data", "source"))
    if isinstance(source.value, dict):
        source, is_there = _walk(composed.root, ("data", "source", "path"))
    return source.origin.resolve() if is_there else folder.resolve()


def _shown_name(file: Path) -> str:
    """Return a path as short as it can be said from here."""
    path = file if file.is_absolute() else Path.cwd() / file
    return shown(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else file), 300)
