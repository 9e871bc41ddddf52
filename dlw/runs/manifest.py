"""The manifest of a checkpoint: the length and sha256 of every file, and a digest of itself.

A manifest has exactly one spelling: reading it writes it again and compares the bytes, so no flipped bit goes unseen.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlw import __version__
from dlw.errors import CheckpointError, RunError
from dlw.runs import disk
from dlw.runs.disk import Digest

FORMAT = 1
FILE = "manifest.json"
MAX_BYTES = 2**20

_FILE_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}\.(safetensors|json)")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEYS = {"format", "dlw", "step", "is_best", "is_final", "monitor", "score", "files"}


class DamagedError(CheckpointError):
    """A checkpoint is not what was saved; one before it may be."""


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint says of itself. `score` is the value of `monitor` at this step, in that metric's unit."""

    step: int
    files: Mapping[str, Digest]
    is_best: bool = False
    is_final: bool = False
    monitor: str | None = None
    score: float | None = None
    dlw: str = __version__

    def to_bytes(self) -> bytes:
        """Return the one spelling of this manifest; `digest` is its last line but one."""
        body = {
            "format": FORMAT,
            "dlw": self.dlw,
            "step": self.step,
            "is_best": self.is_best,
            "is_final": self.is_final,
            "monitor": self.monitor,
            "score": self.score,
            "files": {name: {"size": size, "sha256": digest} for name, (size, digest) in sorted(self.files.items())},
        }
        digest = hashlib.sha256(json.dumps(body).encode()).hexdigest()
        return json.dumps({**body, "digest": digest}, indent=1).encode() + b"\n"

    @property
    def digest(self) -> str:
        """One short text that stands for every byte of the checkpoint, to compare with a teammate."""
        digest: str = json.loads(self.to_bytes())["digest"]
        return digest


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a checkpoint folder.

    Raises DamagedError where it is not what was saved, CheckpointError where a newer dlw wrote it, FileNotFoundError
    where there is none.
    """
    path = folder / FILE
    try:
        data = bytes(disk.read(path, MAX_BYTES))
    except FileNotFoundError:
        raise
    except RunError as error:
        raise DamagedError(str(error)) from error
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{path}: checksum differs: not JSON any more") from error
    if isinstance(tree, dict) and type(tree.get("format")) is int and tree["format"] > FORMAT:
        _refuse_newer(path, tree, data)
    manifest = _from_json(tree)
    if manifest is None or manifest.to_bytes() != data:
        raise DamagedError(f"{path}: checksum differs: the manifest is not what was written")
    return manifest


def _refuse_newer(path: Path, tree: dict[str, Any], data: bytes) -> None:
    """Believe a newer format only where its own digest agrees: a flipped bit must not pass for a version."""
    digest = tree.pop("digest", None)
    if digest == hashlib.sha256(json.dumps(tree).encode()).hexdigest():
        raise CheckpointError(
            f"{path}: written by dlw {tree.get('dlw')} in checkpoint format {tree['format']}; "
            f"this is dlw {__version__}, which reads format {FORMAT}; install the newer dlw to read it"
        )
    tree["digest"] = digest


def _from_json(tree: Any) -> Manifest | None:
    if not isinstance(tree, dict) or set(tree) != {*_KEYS, "digest"}:
        return None
    score, monitor, files = tree["score"], tree["monitor"], tree["files"]
    is_typed = (
        tree["format"] == FORMAT
        and isinstance(tree["dlw"], str)
        and type(tree["step"]) is int
        and type(tree["is_best"]) is bool
        and type(tree["is_final"]) is bool
        and (monitor is None or isinstance(monitor, str))
        and (score is None or (type(score) in (int, float) and math.isfinite(score)))
        and isinstance(files, dict)
        and all(_FILE_NAME.fullmatch(name) and _is_digest(value) for name, value in files.items())
    )
    if not is_typed:
        return None
    digests = {name: Digest(value["size"], value["sha256"]) for name, value in files.items()}
    return Manifest(tree["step"], digests, tree["is_best"], tree["is_final"], monitor, score, tree["dlw"])


def _is_digest(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"size", "sha256"}
        and type(value["size"]) is int
        and value["size"] >= 0
        and isinstance(value["sha256"], str)
        and _SHA256.fullmatch(value["sha256"]) is not None
    )
