"""The JSON Schema of recipes, for editors: the schema's sections with the options of every plug-in filled in.

It is a little wider than the check: any value may also be `null` (its default) or a `${section.key}`, and nothing is
required of a recipe that extends another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from dlw import registry
from dlw.recipe.schema import Export, Recipe

Json = dict[str, Any]

_REFERENCE = {"$ref": "#/$defs/reference"}
_REQUIRED = ("name", "task", "data", "model")


def schema() -> Json:
    """Return the JSON Schema (draft 2020-12) of recipes with the plug-ins that are installed here."""
    definitions: Json = {}
    root = _of(Recipe, "", definitions)
    for room in ("tasks", "models", "fields", "augment", "sources"):
        definitions[room] = _room(room, definitions)
    _name_rooms(root, definitions)
    for definition in [root, *definitions.values()]:
        _loosen(definition)
    definitions["reference"] = {"type": "string", "pattern": r"\$\{[^{}]+\}", "description": "Another value's path."}
    file_name = {"type": "string", "description": "A recipe to start from, relative to this file."}
    root["properties"]["extends"] = {"anyOf": [file_name, {"type": "array", "items": file_name}]}
    root["anyOf"] = [{"required": list(_REQUIRED)}, {"required": ["extends"]}]
    title = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "dlw recipe"}
    return {**title, **{key: value for key, value in root.items() if key != "title"}, "$defs": definitions}


def _of(model: type[BaseModel], prefix: str, definitions: Json) -> Json:
    """Return a model's own schema; the schemas it refers to join `definitions` under `prefix`."""
    found = model.model_json_schema(ref_template=f"#/$defs/{prefix}{{model}}")
    for name, definition in found.pop("$defs", {}).items():
        definitions[prefix + name] = definition
    return found


def _room(room: str, definitions: Json) -> Json:
    names = registry.names(room)
    variants = []
    for name in names:
        variant = _of(registry.load(room, name).Settings, f"{room}.{name}.", definitions)
        variant["description"] = registry.summary(room, name)
        variant["properties"] = {"type": {"const": name}, **variant.get("properties", {})}
        variant["required"] = ["type"]
        variants.append(variant)
    return _choice(names, variants)


def _choice(names: Iterable[str], variants: list[Json]) -> Json:
    """Return the schema of a block: a name, a mapping with `type`, or options for the block of an extended recipe."""
    options_only = {
        "type": "object",
        "not": {"required": ["type"]},
        "description": "Options over an extended recipe's.",
    }
    return {"anyOf": [{"enum": list(names)}, *variants, options_only]}


def _name_rooms(root: Json, definitions: Json) -> None:
    """Put the rooms where the sections say only that there is a block."""
    data, top = definitions["Data"]["properties"], root["properties"]
    columns = {"type": "object", "additionalProperties": {"$ref": "#/$defs/fields"}}
    top["task"] = {**_described(top["task"]), "$ref": "#/$defs/tasks"}
    top["model"] = {**_described(top["model"]), "$ref": "#/$defs/models"}
    texts = [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
    data["source"] = {**_described(data["source"]), "anyOf": [*texts, {"$ref": "#/$defs/sources"}]}
    data["inputs"] = {**_described(data["inputs"]), "anyOf": [{"const": "auto"}, columns]}
    data["target"] = {**_described(data["target"]), **columns}
    data["augment"] = {**_described(data["augment"]), "type": "array", "items": {"$ref": "#/$defs/augment"}}
    optimizers = top["optimizer"]["discriminator"]["mapping"]
    for name in optimizers.values():
        definitions[name.rpartition("/")[2]]["required"] = ["type"]
    variants = [{"$ref": name} for name in optimizers.values()]
    top["optimizer"] = {**_described(top["optimizer"]), **_choice(optimizers, variants)}
    schedules = definitions["Scheduler"]["properties"]["type"]["enum"]
    names_or_block = [{"enum": schedules}, {"$ref": "#/$defs/Scheduler"}]
    top["lr_scheduler"] = {**_described(top["lr_scheduler"]), "anyOf": names_or_block}
    top["export"] = {**_described(top["export"]), **_export(definitions)}


def _export(definitions: Json) -> Json:
    common = _of(Export, "", definitions)["properties"]
    variants = []
    for name in registry.names("exporters"):
        variant = _of(registry.load("exporters", name).Settings, f"exporters.{name}.", definitions)
        variant["properties"] = {**common, "format": {"const": name}, **variant.get("properties", {})}
        variant["required"] = ["format"]
        variants.append(variant)
    return {"anyOf": [*variants, {"type": "object", "not": {"required": ["format"]}}]}


def _described(schema_of_value: Mapping[str, Any]) -> Json:
    return {key: value for key, value in schema_of_value.items() if key in ("description", "default")}


def _loosen(found: Any) -> None:
    """Let every value below also be null or a reference; of what is required, only `type` and `format` stay."""
    if isinstance(found, list):
        for part in found:
            _loosen(part)
    if not isinstance(found, dict):
        return
    required = [key for key in found.pop("required", []) if key in ("type", "format")]
    if required:
        found["required"] = required
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        _loosen(found.get(key))
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), dict):
            _loosen(found[key])
            found[key] = _wider(found[key])
    for name, value in found.get("properties", {}).items():
        if not (name in ("type", "format") and "const" in value):
            _loosen(value)
            found["properties"][name] = _wider(value)


def _wider(value: Json) -> Json:
    kept = {key: part for key, part in value.items() if key not in ("description", "default", "title")}
    return {**_described(value), "anyOf": [kept, {"type": "null"}, _REFERENCE]}
