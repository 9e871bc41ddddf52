"""Finding and opening the source of a recipe: local paths first, then the mirror folder, then the Hub."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dlw import registry
from dlw.errors import DataError, did_you_mean
from dlw.progress import Listener, size_text
from dlw.recipe.places import MIRROR, exists, located
from dlw.recipe.schema import Block, Recipe
from dlw.remote import is_remote
from dlw.shards import ShardedTable
from dlw.sources._files import has_suffix

if TYPE_CHECKING:
    import pyarrow as pa

_HUB = "hub"
_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*/[\w.-]+$")


def open_source(
    source: str | list[str] | Block, root: Path, cache: Path, listener: Listener, budget_bytes: int | None = None
) -> dict[str, pa.Table]:
    """Open a source as it names its splits; relative paths start at `root`, missing ones are looked up in DLW_DATA.

    Where the rows take more than the budget and their source can leave them on disk, the tables are ShardedTables.
    """
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
    ready = module.Settings.model_validate(options)
    is_far = any(is_remote(path) for path in _paths(options.get("path")))
    if hasattr(module, "open_shards") and (is_far or budget_bytes is not None):
        limit = sys.maxsize if budget_bytes is None else budget_bytes
        sharded: dict[str, ShardedTable] | None = module.open_shards(ready, cache, listener, limit)
        if sharded is not None:
            return _read(sharded, limit, listener)
    elif is_far:
        raise DataError(f"{_paths(options['path'])[0]}: source {name} reads no URLs; parquet and jsonl do")
    tables: dict[str, pa.Table] = module.open_tables(ready, cache, listener)
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


def _paths(path: object) -> list[str]:
    return [path] if isinstance(path, str) else list(path) if isinstance(path, list) else []


def _read(sharded: dict[str, ShardedTable], limit: int, listener: Listener) -> dict[str, pa.Table]:
    """Read remote tables that fit the memory; others stay where they are, and that is told."""
    size = sum(table.nbytes for table in sharded.values())
    if size <= limit // 2:
        return {split: table.load() for split, table in sharded.items()}
    listener.line(
        f"about {size_text(size)} of rows, more than half of data.memory_budget ({size_text(limit)}): "
        "read from their files as they are needed"
    )
    return dict(sharded)


def folder_of(source: str | list[str] | Block, root: Path) -> Path:
    """Return the folder that relative picture paths inside the rows start at: the source's own; of a URL, nowhere."""
    path = source.options.get("path", ".") if isinstance(source, Block) else source
    place = Path(located(path if isinstance(path, str) else path[0], root))
    return place if place.is_dir() else place.parent


def _recognise(texts: list[str], root: Path) -> tuple[str, dict[str, str | list[str]]]:
    if not texts:
        raise DataError("data.source: the list is empty")
    if any(map(is_remote, texts)):
        return _recognised_url(texts), {"path": texts[0] if len(texts) == 1 else texts}
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


def _recognised_url(texts: list[str]) -> str:
    """Return the source that reads files of such names; a folder at a URL needs to be told."""
    for name in registry.names("sources"):
        module = registry.load("sources", name)
        if (
            hasattr(module, "open_shards")
            and hasattr(module, "SUFFIXES")
            and has_suffix(Path(texts[0]), module.SUFFIXES)
        ):
            return name
    raise DataError(
        f"{texts[0]}: which kind of files? `source: {{type: parquet, path: {texts[0]}}}`, say; of URLs parquet and "
        "jsonl are read"
    )


def _claimed(text: str, path: Path) -> str:
    """Return the one source that claims a path."""
    found = list(claiming(path))
    if not found:
        known = ", ".join(registry.names("sources"))
        raise DataError(f"{path}: not a kind of data known here ({known}); an empty folder, or an unknown suffix?")
    if len(found) > 1:
        example = f"`source: {{type: {found[0]}, path: {text}}}`"
        raise DataError(
            f"{path}: could be read as {' or '.join(found)}; keep one kind of data there, or say which: {example}"
        )
    return found[0]


def claiming(path: Path) -> Iterator[str]:
    """Name the sources that take a file or folder for theirs."""
    for name in registry.names("sources"):
        module = registry.load("sources", name)
        if hasattr(module, "claims") and module.claims(path):
            yield name


def _not_found(text: str, place: str) -> str:
    folder = Path(place).parent
    near = did_you_mean(Path(place).name, [entry.name for entry in folder.iterdir()]) if folder.is_dir() else ""
    mirror = os.environ.get(MIRROR)
    looked = f", nor in {MIRROR} ({mirror})" if mirror else ""
    return f"{text}: no such file or folder (looked for {place}{looked}){near}"
