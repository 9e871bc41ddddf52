"""Writes the recipe reference of README.md from the schema and the plug-ins' Settings.

Run `python -m dlw.cli.reference` after changing either; a test fails when the page is stale.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel

from dlw import registry

BEGIN = "<!-- reference: written by `python -m dlw.cli.reference` -->"
END = "<!-- end of the reference -->"
_ROOMS_WITH_OPTIONS = ("sources", "fields", "augment", "models", "tasks", "exporters", "explainers")
_ROOMS_WITH_SECTIONS = ("exporters",)
"""Rooms whose plug-ins have options below options of their own."""
_ROOMS_OF_NAMES = ("metrics", "baselines")
_PLACES = {
    "sources": "`data.source: {type: NAME, ...}`; a bare path, list or Hub id finds its source by itself",
    "fields": "`data.inputs: {COLUMN: {type: NAME, ...}}` and `data.target`",
    "augment": "`data.augment: [{type: NAME, ...}]`",
    "models": "`model: {type: NAME, ...}`",
    "tasks": "`task: {type: NAME, ...}`",
    "exporters": "`export: {format: NAME, ...}`",
    "explainers": "`dlw explain RUN --method NAME -s OPTION=VALUE`; no part of a recipe",
    "metrics": "`evaluate.metrics: [NAME]`",
    "baselines": "chosen by the task and the inputs",
}
_NO_LIMIT = 10**6
"""From here on a maximum only keeps out typing errors, and is not worth a reader's time."""
_TYPES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}


def render() -> str:
    """Return the reference as Markdown, between its two marks."""
    from dlw.recipe.schema import Recipe

    schema = Recipe.model_json_schema()
    lines = [BEGIN, "", "### The top of a recipe", "", *_table(schema, schema, _is_plain)]
    for key, value in schema["properties"].items():
        for name, section in _sections(key, value, schema):
            lines += ["", f"### `{name}`", "", _sentence(section), "", *_table(section, schema)]
    for room in _ROOMS_WITH_OPTIONS:
        lines += ["", f"### {room.capitalize()}", "", f"{_PLACES[room]}.", *_plugins(room)]
    for room in _ROOMS_OF_NAMES:
        lines += ["", f"### {room.capitalize()}", "", f"{_PLACES[room]}.", "", "| name | what it is |", "|---|---|"]
        lines += [f"| `{name}` | {_escaped(registry.summary(room, name))} |" for name in registry.names(room)]
    return "\n".join([*lines, "", END])


def replace(page: str) -> str:
    """Return the page with its reference written anew."""
    before, _, rest = page.partition(BEGIN)
    return before + render() + rest.partition(END)[2]


def _plugins(room: str) -> Iterator[str]:
    for name in registry.names(room):
        settings: type[BaseModel] = registry.load(room, name).Settings
        schema = settings.model_json_schema()
        yield from ("", f"**`{name}`** {_escaped(registry.summary(room, name))}")
        if schema.get("properties"):
            yield from ("", *_table(schema, schema))
        for key, value in schema.get("properties", {}).items():
            for nested in _choices(value, schema):
                if room in _ROOMS_WITH_SECTIONS and "properties" in nested:
                    yield from ("", f"**`{name}`**, `{key}`: {_sentence(nested)}", "", *_table(nested, schema))


def _sections(key: str, value: dict[str, Any], schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the named sections below one key of the recipe: one, or one for each variant of its `type`."""
    for nested in _choices(value.get("additionalProperties", {}), schema):
        if "properties" in nested:
            yield f"{key}: {{KEY: ...}}", nested
    for option in value.get("oneOf") or value.get("anyOf") or [value]:
        section = _followed(option, schema)
        if "properties" not in section or section.get("title") == "Block":
            continue
        kind = section["properties"].get("type", {})
        yield f"{key}: {kind['const']}" if "const" in kind else key, section
        for below, inner in section["properties"].items():
            for nested in _choices(inner, schema):
                if "properties" in nested and nested.get("title") != "Block":
                    yield f"{key}.{below}", nested


def _choices(value: dict[str, Any], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what a value may be, one by one."""
    for several in ("anyOf", "oneOf"):
        if several in value:
            for option in value[several]:
                yield from _choices(option, schema)
            return
    yield _followed(value, schema)


def _is_plain(value: dict[str, Any], schema: dict[str, Any]) -> bool:
    found = _followed(value, schema)
    return "oneOf" not in value and ("properties" not in found or found.get("title") == "Block")


def _table(section: dict[str, Any], schema: dict[str, Any], wanted: Any = None) -> Iterator[str]:
    yield from ("| key | value | default | |", "|---|---|---|---|")
    required = section.get("required", [])
    for key, value in section["properties"].items():
        if wanted is None or wanted(value, schema):
            default = "required" if key in required else _default(value, schema)
            text = _escaped(value.get("description") or _sentence(_followed(value, schema)))
            yield f"| `{key}` | {_escaped(_kind(value, schema))} | {_escaped(default)} | {text} |"


def _kind(value: dict[str, Any], schema: dict[str, Any]) -> str:
    """Say in words what a value may be."""
    value = _followed(value, schema)
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return " or ".join(f"`{item}`" for item in value["enum"])
    for several in ("anyOf", "oneOf"):
        if several in value:
            kinds = [_kind(item, schema) for item in value[several] if item.get("type") != "null"]
            return " or ".join(dict.fromkeys(kinds))
    if value.get("title") == "Block":
        return "name or `{type: ...}`"
    if value.get("type") == "array":
        items = value.get("items") or (value.get("prefixItems") or [{}])[0]
        return f"list of {_kind(items, schema)}" if items else "list"
    if value.get("type") == "object":
        below = value.get("additionalProperties")
        return f"mapping to {_kind(below, schema)}" if isinstance(below, dict) and below else "mapping"
    return _TYPES.get(value.get("type", ""), "any value") + _range(value)


def _range(value: dict[str, Any]) -> str:
    words = {"from": "minimum", "above": "exclusiveMinimum", "to": "maximum", "below": "exclusiveMaximum"}
    limits = {word: value[key] for word, key in words.items() if key in value}
    said = [f"{word} {limit:,.15g}" for word, limit in limits.items() if limit < _NO_LIMIT]
    return "".join(f" {part}" for part in said)


def _default(value: dict[str, Any], schema: dict[str, Any]) -> str:
    default = value.get("default")
    if default is None:
        return "none"
    if isinstance(default, dict):
        return f"`{default['type']}`" if "type" in default else "its defaults"
    if isinstance(default, bool):
        return "`true`" if default else "`false`"
    if isinstance(default, float):
        return f"`{default:g}`"
    return f"`{default}`" if default != "" else "empty"


def _followed(value: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    reference = value.get("$ref")
    return {**schema["$defs"][reference.rpartition("/")[2]], **value} if reference else value


def _sentence(section: dict[str, Any]) -> str:
    return " ".join(section.get("description", "").split())


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    readme = Path(__file__).parents[2] / "README.md"
    readme.write_text(replace(readme.read_text(encoding="utf-8")), encoding="utf-8")
    typer.echo(readme)
