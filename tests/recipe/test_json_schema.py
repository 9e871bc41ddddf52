"""The JSON Schema for editors accepts every shipped recipe and refuses what a recipe must not hold."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from own_recipes import OWN

from dlw import registry
from dlw.recipe import parse
from dlw.recipe.check import load_text
from dlw.recipe.compose import dump, resolve
from dlw.recipe.find import installed_recipes
from dlw.recipe.json_schema import schema

TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict}
SCHEMA = schema()


def fits(value: Any, rule: dict[str, Any]) -> bool:
    """Return whether a value obeys a rule: the part of JSON Schema that pydantic and dlw write."""
    return all(CHECKS[key](value, part, rule) for key, part in rule.items() if key in CHECKS)


def _type(value: Any, kind: str, rule: Any) -> bool:
    if kind == "null":
        return value is None
    return isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _rest(value: Any, allowed: Any, rule: Any) -> bool:
    if not isinstance(value, dict):
        return True
    rest = [item for key, item in value.items() if key not in rule.get("properties", {})]
    return not rest if allowed is False else allowed is True or all(fits(item, allowed) for item in rest)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _one(value: Any, rules: list[Any], rule: Any) -> bool:
    return sum(fits(value, each) for each in rules) == 1


CHECKS: dict[str, Any] = {
    "type": _type,
    "additionalProperties": _rest,
    "$ref": lambda value, name, rule: fits(value, SCHEMA["$defs"][name.rpartition("/")[2]]),
    "anyOf": lambda value, rules, rule: any(fits(value, each) for each in rules),
    "oneOf": _one,
    "not": lambda value, inner, rule: not fits(value, inner),
    "enum": lambda value, known, rule: value in known,
    "const": lambda value, same, rule: value == same,
    "required": lambda value, keys, rule: not isinstance(value, dict) or set(keys) <= set(value),
    "properties": lambda value, rules, rule: (
        not isinstance(value, dict) or all(fits(value[key], each) for key, each in rules.items() if key in value)
    ),
    "propertyNames": lambda value, inner, rule: not isinstance(value, dict) or all(fits(key, inner) for key in value),
    "items": lambda value, inner, rule: not isinstance(value, list) or all(fits(item, inner) for item in value),
    "prefixItems": lambda value, rules, rule: not isinstance(value, list) or all(map(fits, value, rules)),
    "minItems": lambda value, least, rule: not isinstance(value, list) or len(value) >= least,
    "maxItems": lambda value, most, rule: not isinstance(value, list) or len(value) <= most,
    "minProperties": lambda value, least, rule: not isinstance(value, dict) or len(value) >= least,
    "minLength": lambda value, least, rule: not isinstance(value, str) or len(value) >= least,
    "maxLength": lambda value, most, rule: not isinstance(value, str) or len(value) <= most,
    "pattern": lambda value, pattern, rule: not isinstance(value, str) or bool(re.search(pattern, value)),
    "minimum": lambda value, least, rule: not _is_number(value) or value >= least,
    "maximum": lambda value, most, rule: not _is_number(value) or value <= most,
    "exclusiveMinimum": lambda value, least, rule: not _is_number(value) or value > least,
    "exclusiveMaximum": lambda value, most, rule: not _is_number(value) or value < most,
}
NOTES = {"$schema", "$defs", "title", "description", "default", "discriminator"}


def texts() -> dict[str, str]:
    return {**OWN, **{name: file.read_text(encoding="utf-8") for name, file in installed_recipes().items()}}


def tree_of(text: str) -> Any:
    return parse.parse(text, "r.yaml", Path()).plain()


def keywords(rule: Any) -> set[str]:
    if isinstance(rule, list):
        return {word for part in rule for word in keywords(part)}
    if not isinstance(rule, dict):
        return set()
    found = set(rule)
    for key in ("properties", "$defs"):
        found |= {word for part in rule.get(key, {}).values() for word in keywords(part)}
    for key in ("anyOf", "oneOf", "allOf", "items", "prefixItems", "additionalProperties", "not", "propertyNames"):
        found |= keywords(rule.get(key))
    return found


def references(rule: Any) -> set[str]:
    if isinstance(rule, dict):
        return {part for key, part in rule.items() if key == "$ref"} | {
            name for part in rule.values() for name in references(part)
        }
    return {name for part in rule for name in references(part)} if isinstance(rule, list) else set()


def test_the_schema_is_json_that_the_check_below_understands() -> None:
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert keywords(SCHEMA) <= set(CHECKS) | NOTES
    assert references(SCHEMA) <= {f"#/$defs/{name}" for name in SCHEMA["$defs"]}


@pytest.mark.parametrize("name", sorted(texts()))
def test_every_recipe_conforms_as_written_and_resolved(name: str, tmp_path: Path) -> None:
    text = texts()[name]
    folder = installed_recipes()[name].parent if name not in OWN else tmp_path
    assert fits(tree_of(text), SCHEMA)
    assert fits(tree_of(dump(resolve(load_text(text, folder).recipe))), SCHEMA)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seed: 7", "sed: 7"),
        ("seed: 7", "seed: -1"),
        ("seed: 7", "seed: abc"),
        ("depth: 2", "dept: 2"),
        ("depth: 2", "depth: 0"),
        ("type: tabular_transformer", "type: abacus"),
        ("age: number", "age: numbr"),
        ("min_count: 3", "min_count: none"),
        ("type: muon", "type: adam"),
        ("adamw_lr: 1e-3", "betas: [0.9, 0.9]"),
        ("type: group", "type: grouped"),
        ("every: 10 minutes", "every: soon"),
        ("precision: fp32", "precision: float32"),
        ("format: torch_export", "format: jit"),
        ("batch_sizes: [1, 8]", "batch_sizes: []"),
        ("name: claims", "title: claims"),
    ],
)
def test_mistakes_do_not_conform(old: str, new: str) -> None:
    text = OWN["own-table"]
    assert text.count(old) == 1
    assert not fits(tree_of(text.replace(old, new)), SCHEMA)


@pytest.mark.parametrize(
    "text",
    [
        "extends: base.yaml\n",
        "extends: [a.yaml, b.yaml]\nmodel: {width: 3}\n",
        "extends: base.yaml\ntrain: {epochs: null, steps: '${benchmark.batch_sizes.0}'}\ndata: {inputs: {age: null}}\n",
        "extends: base.yaml\noptimizer: {lr: 1e-4}\nexport: {tolerance: 1e-3}\nlr_scheduler: cosine\n",
    ],
)
def test_parts_of_recipes_conform(text: str) -> None:
    assert fits(tree_of(text), SCHEMA)


def test_every_plug_in_and_its_options_are_described() -> None:
    for room in ("tasks", "models", "fields", "augment", "sources"):
        described = {
            variant["properties"]["type"]["const"]: variant
            for variant in SCHEMA["$defs"][room]["anyOf"]
            if "properties" in variant
        }
        assert sorted(described) == registry.names(room)
        for name, variant in described.items():
            assert variant["description"] == registry.summary(room, name)
            fields = registry.load(room, name).Settings.model_fields
            assert {field.alias or key for key, field in fields.items()} <= set(variant["properties"])
