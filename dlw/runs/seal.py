"""The manifest of a run: the sha256 of recipe, fields and the data it learned from, under a digest of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlw import __version__
from dlw.errors import RunError
from dlw.runs import disk
from dlw.runs.layout import Run

FORMAT = 1
MAX_BYTES = 2**30


def write_seal(run: Run, contents: Mapping[str, bytes], data: Mapping[str, Any]) -> None:
    """Write the manifest of a new run: its files by name, and what verbs._digests says of the data."""
    files = {name: {"size": len(text), "sha256": hashlib.sha256(text).hexdigest()} for name, text in contents.items()}
    body = {"format": FORMAT, "dlw": __version__, "files": files, "data": dict(data)}
    disk.write_json(run.manifest, {**body, "digest": digest_of(body)})


def read_seal(run: Run) -> dict[str, Any]:
    """Return the manifest; RunError where there is none, where it is damaged or a newer dlw wrote it."""
    try:
        tree = json.loads(bytes(disk.read(run.manifest, MAX_BYTES)))
    except FileNotFoundError:
        raise RunError(f"{run.manifest}: missing: this run was made before runs had one, or it was lost") from None
    except (ValueError, RecursionError):
        raise RunError(f"{run.manifest}: not JSON any more") from None
    if not isinstance(tree, dict) or tree.pop("digest", None) != digest_of(tree):
        raise RunError(f"{run.manifest}: checksum differs: not what was written")
    if tree.get("format") != FORMAT:
        raise RunError(f"{run.manifest}: format {tree.get('format')}; this is dlw {__version__}, which reads {FORMAT}")
    files: Any = tree.get("files")
    data: Any = tree.get("data")
    is_whole = _describes(files) and files.keys() == {run.recipe.name, run.resolved.name, run.fields.name}
    is_whole &= isinstance(data, dict) and _describes(data.get("files", {})) and _counts(data.get("splits"))
    if not is_whole:
        raise RunError(f"{run.manifest}: does not describe the files and the data of a run")
    return tree


def _describes(files: Any) -> bool:
    """Tell whether this is a mapping of names to a size and a sha256 each."""
    return isinstance(files, dict) and all(
        isinstance(entry, dict) and isinstance(entry.get("size"), int) and isinstance(entry.get("sha256"), str)
        for entry in files.values()
    )


def _counts(splits: Any) -> bool:
    return isinstance(splits, dict) and all(isinstance(entry, dict) for entry in splits.values())


def digest_of(body: Mapping[str, Any]) -> str:
    """Return the sha256 of a mapping as JSON, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def differing(folder: Path, files: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a text for each file below a folder that is not what `files` says: missing, or of other content."""
    told = []
    for name, known in files.items():
        path = folder / name
        if not path.is_file():
            told.append(f"{path}: missing")
        elif path.stat().st_size != known["size"]:
            told.append(f"{path}: expected {known['size']:,} bytes, found {path.stat().st_size:,}")
        elif of_file(path)["sha256"] != known["sha256"]:
            told.append(f"{path}: checksum differs")
    return told


def of_file(path: Path) -> dict[str, Any]:
    """Return size in bytes and sha256 of a file."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return {"size": stream.tell(), "sha256": digest}
