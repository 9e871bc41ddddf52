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
    if tree["format"] != FORMAT:
        raise RunError(f"{run.manifest}: format {tree['format']}; this is dlw {__version__}, which reads {FORMAT}")
    return tree


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
