"""Pydantic's verdict on a piece of a recipe, as Faults: paths into the recipe and plain words.

Values are taken strictly (the text "3" is not a number), except that a whole float such as 1e3 may stand for an integer
and a list for a tuple.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from dlw.recipe._show import shown, value_shown

Model = TypeVar("Model", bound=BaseModel)
Path = tuple[str, ...]

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "none_required": "nothing",
}

_RANGE = {
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
}

_PATTERNS = {
    "(epochs?|steps?|minutes?)$": "must be a duration such as `1 epoch`, `500 steps` or `10 minutes`",
    "(epochs?|steps?)$": "must be a number of epochs or steps such as `1 epoch` or `500 steps`",
    "(MiB|GiB)$": "must be a size such as `800 MiB` or `2 GiB`",
    "[A-Za-z0-9._-]{0,99}$": "must begin with a letter or digit; only letters, digits, `.`, `_` and `-`, at most 100",
    r"?\s*\])?\s*$": "must be a split or a slice of one, such as `train`, `train[:80%]` or `train[55000:]`",
    "(KiB|MiB|GiB|TiB|KB|MB|GB|TB)$": "must be an amount of memory such as `2 GiB` or `500 MB`",
    "mps)$": "must be auto, cpu, cuda, cuda:N or mps",
}


@dataclass(frozen=True)
class Fault:
    """One thing wrong. `kind` is `unknown`, `missing`, `word` (with the `known` words) or `value`."""

    path: Path
    kind: str
    message: str
    known: tuple[str, ...] = ()
    is_key: bool = False


def validate(model: type[Model], tree: Any) -> tuple[Model | None, list[Fault]]:
    """Validate a tree without places; returns the model, or None and all faults."""
    try:
        return model.model_validate_json(_to_json(tree), strict=True), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    return None, _join_unions([_fault(detail, tree) for detail in details])


def _to_json(tree: Any) -> str:
    def exact(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: exact(item) for key, item in value.items()}
        if isinstance(value, list):
            return [exact(item) for item in value]
        # 2**53: above, a float no longer tells neighbouring integers apart.
        if isinstance(value, float) and abs(value) < 2**53 and value == int(value):
            return int(value)
        return value

    return json.dumps(exact(tree))


def _fault(detail: Mapping[str, Any], tree: Any) -> Fault:
    path, is_key = _path(detail, tree)
    kind, context, value = detail["type"], detail.get("ctx", {}), detail["input"]
    if kind == "missing" and path and path[-1].isdecimal():
        return Fault(path[:-1], "value", f"expected {int(path[-1]) + 1} or more items, got {len(value)}")
    if kind == "missing":
        return Fault(path, "missing", "is required")
    if kind == "extra_forbidden":
        return Fault(path, "unknown", "unknown key", is_key=True)
    if is_key and kind == "literal_error":
        return Fault(path, "unknown", "unknown key", _words(context["expected"]), is_key=True)
    if kind in ("literal_error", "enum"):
        words = _words(context["expected"])
        return Fault(path, "word", f"expected {_either(words)}, got {value_shown(value)}", words)
    if kind == "union_tag_invalid":
        words = _words(context["expected_tags"])
        return Fault((*path, "type"), "word", f"expected {_either(words)}, got '{shown(context['tag'])}'", words)
    if kind in _EXPECTED:
        return Fault(path, "value", f"expected {_EXPECTED[kind]}, got {value_shown(value)}")
    if kind in _RANGE:
        limits = {name: f"{limit:g}" if isinstance(limit, float) else limit for name, limit in context.items()}
        return Fault(path, "value", f"{_RANGE[kind].format(**limits)}, got {value_shown(value)}")
    return Fault(path, "value", _other(kind, context, value, detail["msg"]))


def _other(kind: str, context: Mapping[str, Any], value: Any, message: str) -> str:
    if kind == "finite_number":
        return f"must be a finite number, got {value_shown(value)}"
    if kind == "string_pattern_mismatch":
        words = [words for pattern, words in _PATTERNS.items() if context["pattern"].endswith(pattern)]
        return f"{words[0] if words else 'must match ' + context['pattern']}, got {value_shown(value)}"
    if kind in ("too_short", "string_too_short"):
        what = "items" if kind == "too_short" else "letters"
        return f"needs {context['min_length']} or more {what}, got {len(value)}"
    if kind in ("too_long", "string_too_long"):
        what = "items" if kind == "too_long" else "letters"
        return f"takes at most {context['max_length']} {what}, got {len(value)}"
    if kind in ("value_error", "assertion_error"):
        return shown(str(context.get("error", message)), 300)
    return f"{shown(message[:1].lower() + message[1:], 200)}, got {value_shown(value)}"


def _path(detail: Mapping[str, Any], tree: Any) -> tuple[Path, bool]:
    """Return where in the tree an error lies: pydantic's location without the names of union members."""
    path: list[str] = []
    location = detail["loc"]
    for part in location:
        inside = range(len(tree)) if isinstance(tree, list) else tree if isinstance(tree, dict) else ()
        if part in inside:
            tree = tree[part]
        elif not (detail["type"] == "missing" and part == location[-1]):
            continue
        path.append(str(part))
    return tuple(path), bool(location) and location[-1] == "[key]"


def _join_unions(faults: list[Fault]) -> list[Fault]:
    """Make one fault of those that the members of a union raise about one value.

    Where a member that has the right shape finds fault deeper inside, the others' complaints about the shape go.
    """
    around = {fault.path[:length] for fault in faults for length in range(len(fault.path))}
    kept: dict[Path, Fault] = {}
    for fault in faults:
        if fault.path in around and fault.message.startswith("expected "):
            continue
        before = kept.get(fault.path)
        kept[fault.path] = _joined(before, fault) if before else fault
    return list(kept.values())


def _joined(left: Fault, right: Fault) -> Fault:
    if not (left.message.startswith("expected ") and right.message.startswith("expected ")):
        return right if left.message.startswith("expected ") else left
    first, _, got = left.message.partition(", got ")
    second = right.message.partition(", got ")[0].removeprefix("expected ")
    message = left.message if second in first else f"{first} or {second}, got {got}"
    return Fault(left.path, "word" if left.known or right.known else "value", message, left.known + right.known)


def _words(listing: str) -> tuple[str, ...]:
    """Read pydantic's list of words: `'a', 'b' or 'c'`."""
    return tuple(word.strip().strip("'") for word in listing.replace("' or '", "', '").split(", "))


def _either(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def section(model: type[BaseModel], path: Iterable[str], tree: Any) -> dict[str, Any]:
    """Return key -> annotation of the section at `path` below a model, empty where keys are free or there is none."""
    found: Any = model
    for step in path:
        fields = _fields(found, tree)
        if step in fields:
            found = fields[step]
        else:
            found = next((typing.get_args(part)[-1] for part in _parts(found) if typing.get_args(part)), None)
        tree = tree.get(step) if isinstance(tree, dict) else None
    return _fields(found, tree)


def _fields(annotation: Any, tree: Any) -> dict[str, Any]:
    classes = [part for part in _parts(annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
    if not classes:
        return {}
    chosen = tree.get("type") if isinstance(tree, dict) else None
    same = [each for each in classes if len(classes) > 1 and each.model_fields["type"].default == chosen]
    return {info.alias or name: info.annotation for name, info in (same or classes)[0].model_fields.items()}


def _parts(annotation: Any) -> list[Any]:
    """Return the members of a union, without Annotated around any of them."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _parts(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [part for member in typing.get_args(annotation) for part in _parts(member)]
    return [annotation]
