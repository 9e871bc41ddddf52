"""The second stage: every block of a recipe against the Settings of the plug-in it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from dlw import registry
from dlw.errors import UsageError
from dlw.recipe._validate import Fault, Path, validate


def blocks(tree: Mapping[str, Any]) -> Iterator[tuple[str, Path, str | None, dict[str, Any]]]:
    """Yield (room, path, type, options) of every block of a recipe that has the shape of one."""
    for room, key in (("tasks", "task"), ("models", "model")):
        if key in tree:
            yield from _block(room, (key,), tree[key])
    data = tree.get("data")
    if isinstance(data, dict):
        if isinstance(data.get("source"), dict):
            yield from _block("sources", ("data", "source"), data["source"])
        for side in ("inputs", "target"):
            if isinstance(data.get(side), dict):
                for column, field in data[side].items():
                    yield from _block("fields", ("data", side, column), field)
        if isinstance(data.get("augment"), list):
            for place, change in enumerate(data["augment"]):
                yield from _block("augment", ("data", "augment", str(place)), change)
    export = tree.get("export", {})
    if isinstance(export, dict) and isinstance(export.get("format", "onnx"), str):
        options = {key: value for key, value in export.items() if key not in ("format", "tolerance")}
        yield "exporters", ("export",), export.get("format"), options


def _block(room: str, path: Path, value: Any) -> Iterator[tuple[str, Path, str | None, dict[str, Any]]]:
    if isinstance(value, str):
        yield room, path, value, {}
    elif isinstance(value, dict) and isinstance(value.get("type"), str):
        yield room, path, value["type"], {key: item for key, item in value.items() if key != "type"}


def plugin(room: str, name: str) -> ModuleType | None:
    """Import the plug-in, None if the room has no such name."""
    try:
        # Asking for names first would search every installed package for entry points.
        return registry.load(room, name)
    except UsageError:
        return None


def check_options(module: ModuleType, options: Mapping[str, Any], path: Path) -> list[Fault]:
    """Return what is wrong with a block's options, with paths from the recipe's root."""
    _, faults = validate(module.Settings, options)
    return [Fault((*path, *fault.path), fault.kind, fault.message, fault.known, fault.is_key) for fault in faults]


def plugin_settings(room: str, name: str, options: Mapping[str, Any]) -> BaseModel:
    """Return the typed Settings of a plug-in from options that are already checked."""
    settings, faults = validate(registry.load(room, name).Settings, options)
    assert isinstance(settings, BaseModel), f"{room} {name}: settings were not checked before use: {faults}"
    return settings
