"""What somebody meant by an unknown key or name, in the context of one recipe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from dlw import registry
from dlw.recipe._nearest import nearest, plain, ranked
from dlw.recipe._plugins import blocks
from dlw.recipe._show import shown
from dlw.recipe._validate import Path, section
from dlw.recipe._words import keys_meant, name_meant
from dlw.recipe.schema import Recipe

SINGULAR = {
    "tasks": "task",
    "models": "model",
    "fields": "field",
    "augment": "augmentation",
    "sources": "source",
    "metrics": "metric",
    "exporters": "export format",
}

_EXAMPLES = {
    ("name",): "name: my-first-run",
    ("task",): "task: classification",
    ("data",): "data: {source: data.csv, target: {price: number}}",
    ("data", "source"): "source: data.csv",
    ("data", "target"): "target: {price: number}",
    ("model",): "model: mlp",
}


def key_hint(word: str, own: Iterable[str], path: Path, elsewhere: Iterable[str]) -> str:
    """Return `; did you mean ...` for an unknown key of the section at `path`.

    `own` are the section's keys, `elsewhere` the dotted paths of all other keys of this recipe.
    """
    own, elsewhere = list(own), list(elsewhere)
    meant = name_meant("data.splits", word, own) if path == ("data", "splits") else nearest(word, own, share=64)
    meant = meant or _same_key(word, path, elsewhere) or _foreign(word, own, path, elsewhere, exactly=True)
    meant = meant or nearest(word, own) or _foreign(word, own, path, elsewhere, exactly=False)
    if not meant:
        last = nearest(word, {known.rpartition(".")[2] for known in elsewhere}, share=5)
        meant = _same_key(last, path, elsewhere) if last else None
    if meant:
        return f"; did you mean {meant}?"
    return f"; keys here: {', '.join(own)}" if own else ""


def _same_key(word: str, path: Path, elsewhere: list[str]) -> str | None:
    same = [known for known in elsewhere if known.rpartition(".")[2] == plain(word)]
    # The nearest relative first: a section inside this one or around it.
    return (
        max(same, key=lambda known: (bool(path) and known.split(".")[0] == path[0], -known.count(".")))
        if same
        else None
    )


def _foreign(word: str, own: list[str], path: Path, elsewhere: list[str], *, exactly: bool) -> str | None:
    all_meant = keys_meant(word, exactly=exactly)
    for meant in all_meant:
        parent, _, last = meant.rpartition(".")
        if last in own and (parent == ".".join(path) or not parent):
            return last
    known = [
        meant if meant in elsewhere else _same_key(meant.rpartition(".")[2], path, elsewhere) for meant in all_meant
    ]
    return next((meant for meant in known if meant), None)


def all_keys(tree: Mapping[str, Any]) -> list[str]:
    """Return the dotted paths of every key this recipe could hold, those of its plug-ins included."""
    keys = list(_keys(Recipe, (), tree))
    for room, path, name, _ in blocks(tree):
        if path[0] in ("task", "model") and name in registry.names(room):
            fields = registry.load(room, name).Settings.model_fields
            keys += [".".join((*path, field.alias or key)) for key, field in fields.items()]
    return keys


def _keys(model: type[BaseModel], path: Path, tree: Mapping[str, Any]) -> Iterator[str]:
    for key in section(model, path, tree):
        yield ".".join((*path, key))
        if len(path) < 2:
            yield from _keys(model, (*path, key), tree)


def name_problem(room: str, name: str, known: Iterable[str], *, what: str | None = None) -> str:
    """Say that a room (or a closed list called `what`) has no such name, and list the names nearest first."""
    known = list(known)
    what = what or SINGULAR[room]
    meant = name_meant(room, name, known)
    hint = f"; did you mean {meant}?" if meant else ""
    if "." in name or ":" in name:
        hint += " (recipes cannot name Python objects)"
    others = [other for other in ranked(name, known) if other != meant]
    there_are = ", ".join([*([meant] if meant else []), *others][:12])
    return f"no {what} is called '{shown(name)}'{hint or ';'} there are: {there_are}"


def missing_hint(path: Path, room: str | None) -> str:
    """Return an example for a required key that is not there."""
    if path in _EXAMPLES:
        return f"; for example `{_EXAMPLES[path]}`"
    if room and path[-1] == "type":
        return f"; one of {', '.join(registry.names(room)[:12])}"
    return ""
