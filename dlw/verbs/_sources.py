"""Finding and opening the source of a recipe: local paths first, then the mirror folder, then the Hub."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from dlw import registry
from dlw.errors import DataError, did_you_mean
from dlw.progress import Listener
from dlw.recipe.places import MIRROR, exists, located
from dlw.recipe.schema import Block, Recipe

if TYPE_CHECKING:
    import pyarrow as pa

_HUB = "hub"
_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*/[\w.-]+$")


def open_source(source: str | list[str] | Block, root: Path, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Open a source as it names its splits; relative paths start at `root`, missing ones are looked up in DLW_DATA."""
    if isinstance(source, Block):
        name, options = source.type, dict(source.options)
        if name != _HUB and "path" in options:
            path = options["path"]
            options["path"] = [located(p, root) for p in path] if isinstance(path, list) else located(path, root)
            for place in [options["path"]] if isinstance(path, str) else options["path"]:
                if not exists(place):
                    raise DataError(_not_found(place, place))
    else:
        name, options = _recognise([source] if isinstance(source, str) else source, root)
    module = registry.load("sources", name)
    tables: dict[str, pa.Table] = module.open_tables(module.Settings.model_validate(options), cache, listener)
    return tables


def missing(recipe: Recipe, root: Path) -> str:
    """Return in words what of a recipe's data is not on this machine, empty where all is; nothing is read."""
    asked = [recipe.data.source, *([recipe.evaluate.episodes.source] if recipe.evaluate.episodes else [])]
    for source in asked:
        path = source.options.get("path", []) if isinstance(source, Block) else source
        for text in [path] if isinstance(path, str) else path:
            if not exists(located(text, root)):
                return f"data not here: {text}"
    return ""


def folder_of(source: str | list[str] | Block, root: Path) -> Path:
    """Return the folder that relative picture paths inside the rows start at: the source's own."""
    path = source.options.get("path", ".") if isinstance(source, Block) else source
    place = Path(located(path if isinstance(path, str) else path[0], root))
    return place if place.is_dir() else place.parent


def _recognise(texts: list[str], root: Path) -> tuple[str, dict[str, str | list[str]]]:
    if not texts:
        raise DataError("data.source: the list is empty")
    places = [located(text, root) for text in texts]
    names = set()
    for text, place in zip(texts, places, strict=True):
        if not exists(place):
            if len(texts) == 1 and _HUB_ID.match(text):
                return _HUB, {"path": text}
            raise DataError(_not_found(text, place))
        is_glob = glob.has_magic(place) and not os.path.lexists(place)
        names.add(_claimed(text, Path(sorted(glob.glob(place, recursive=True))[0] if is_glob else place)))
    if len(names) > 1:
        raise DataError(f"data.source: files of different kinds ({', '.join(sorted(names))}); one kind is needed")
    return names.pop(), {"path": places[0] if len(places) == 1 else places}


def _claimed(text: str, path: Path) -> str:
    """Return the one source that claims a path."""
    claiming = [name for name in registry.names("sources") if registry.load("sources", name).claims(path)]
    if not claiming:
        known = ", ".join(registry.names("sources"))
        raise DataError(f"{path}: not a kind of data known here ({known}); an empty folder, or an unknown suffix?")
    if len(claiming) > 1:
        example = f"`source: {{type: {claiming[0]}, path: {text}}}`"
        raise DataError(f"{path}: could be read as {' or '.join(claiming)}; say which: {example}")
    return claiming[0]


def _not_found(text: str, place: str) -> str:
    folder = Path(place).parent
    near = did_you_mean(Path(place).name, [entry.name for entry in folder.iterdir()]) if folder.is_dir() else ""
    mirror = os.environ.get(MIRROR)
    looked = f", nor in {MIRROR} ({mirror})" if mirror else ""
    return f"{text}: no such file or folder (looked for {place}{looked}){near}"
