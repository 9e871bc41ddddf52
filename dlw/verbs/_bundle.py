"""Runs and exported bundles made ready to answer, behind one face. Opening an ONNX bundle imports no torch.

A bundle is a folder: the model file(s), fields.json (raw values to arrays), bundle.json (what it is, its signature and
the sha256 of every other file that is read), parity.json (the proof) and README.md.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw import __version__, registry
from dlw.errors import RunError
from dlw.exporters._base import Artifact
from dlw.progress import Listener, Silent
from dlw.ragged import joined, trimmed
from dlw.recipe.check import settings
from dlw.recipe.schema import Block
from dlw.runs import disk, environment
from dlw.runs.seal import digest_of
from dlw.search import Writer
from dlw.specs import TARGET, Arrays, ragged_kinds, rows_at_once
from dlw.tasks._base import Task
from dlw.verbs._fitted import Fitted
from dlw.verbs._writers import model_files, probe

if TYPE_CHECKING:
    from torch import nn

    from dlw.engine.team import Team

BUNDLE_FILE, FIELDS_FILE, PARITY_FILE, RECIPE_FILE = "bundle.json", "fields.json", "parity.json", "recipe.resolved.yaml"
BUNDLE_VERSION = 2
MAX_MANIFEST_BYTES = 16 * 2**20
MAX_FILE_BYTES = 64 * 2**30

_ENTRY = {"bytes": int, "sha256": str}
"""What bundle.json keeps of a file."""
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Answerer:
    """A run or bundle that answers: raw packed arrays in, named answers out, any number of rows."""

    name: str
    folder: Path
    format: str
    """The exporter of a bundle; `run` for a run directory."""
    fitted: Fitted
    task: Task
    answer: Callable[[Arrays], Arrays]
    """Raw answers, as the network gives them, to rows in one piece."""
    model_bytes: int
    step: int
    source: Block | None
    """How the recipe reads its data, where it says so in the long form."""
    task_block: Block
    """The task as the recipe names it, with its options."""
    writer: Writer | None = None
    """What is asked step by step, where the network writes; its `answer` is a probe then, for comparisons."""
    rows_a_row: int = 1
    """How many rows the network makes of each, such as mirror images."""
    team: Team | None = None
    """Processes that share the work: each answers some pieces, and all get every answer."""

    @property
    def rows_at_once(self) -> int:
        """How many rows are answered in one piece."""
        return max(1, rows_at_once(spec.shape for spec in self.fitted.inputs.values()) // self.rows_a_row)

    def answer_rows(self, arrays: Arrays) -> Arrays:
        """Answer in pieces, condensed by the task, so that memory does not grow; there must be one row at least."""
        inputs = {name: array for name, array in arrays.items() if name != TARGET}
        total, step = len(next(iter(inputs.values()))), self.rows_at_once
        plan = [np.arange(start, min(start + step, total)) for start in range(0, total, step)]
        if self.team is None:
            parts = [self._answer_piece(inputs, rows) for rows in plan]
        else:
            from dlw.engine.inference import collected, dealt

            own = [self._answer_piece(inputs, rows) for rows in dealt(iter(plan), self.team)]
            parts = collected(own, len(plan), self.team)
        return {name: joined([part[name] for part in parts]) for name in parts[0]}

    def _answer_piece(self, inputs: Arrays, rows: np.ndarray) -> Arrays:
        span = slice(rows[0], rows[-1] + 1)
        piece = trimmed({name: array[span] for name, array in inputs.items()}, ragged_kinds(self.fitted.inputs))
        return self.task.condense(self.answer(piece))


def is_bundle(folder: Path) -> bool:
    """Say whether a folder holds an exported bundle."""
    return (folder / BUNDLE_FILE).is_file()


def open_target(
    folder: Path, threads: int | None = None, listener: Listener | None = None, team: Team | None = None
) -> Answerer:
    """Open a run directory or a bundle; raises RunError when it is neither, damaged, or of a newer dlw.

    `threads` are those that answer, whatever the recipe says; in torch they are of the whole process from here on.
    """
    if is_bundle(folder):
        given = threads
        if given is None:
            given = environment.threads(team.place.local_size) if team else environment.asked_threads()
        answerer = replace(open_bundle(folder, given), team=team)
    else:
        answerer = _open_run(folder, listener, team)
    if threads is not None and "torch" in sys.modules:
        import torch

        torch.set_num_threads(threads)
    return answerer


def _open_run(folder: Path, listener: Listener | None, team: Team | None) -> Answerer:
    from dlw.engine.inference import answer_arrays, rows_a_row
    from dlw.engine.writing import NetworkWriter
    from dlw.verbs._trained import open_trained

    trained = open_trained(folder, listener=listener or Silent(), place=team.place if team else None)
    predictor, output = trained.predictor, trained.task.output
    writer = NetworkWriter(predictor.network) if output.is_written else None
    return Answerer(
        name=trained.recipe.name,
        folder=folder,
        format="run",
        fitted=trained.fitted,
        task=trained.task,
        answer=partial(probe, writer, output)
        if writer
        else lambda arrays: answer_arrays(predictor, arrays, ragged=ragged_kinds(trained.fitted.inputs)),
        model_bytes=sum(tensor.numel() * tensor.element_size() for tensor in predictor.state_dict().values()),
        step=trained.step,
        source=source if isinstance(source := trained.recipe.data.source, Block) else None,
        task_block=trained.recipe.task,
        writer=writer,
        rows_a_row=rows_a_row(predictor.network),
        team=team,
    )


def open_bundle(folder: Path, threads: int | None = None, *, own: bool = False) -> Answerer:
    """Open a bundle. `own` says that this process has just written it, which lets every format be opened."""
    manifest = read_manifest(folder)
    exporter = registry.load("exporters", manifest["format"])
    if exporter.REOPENS and not own:
        raise RunError(f"{folder}: dlw does not open {manifest['format']} bundles it is given: {exporter.REOPENS}")
    files = VerifiedFiles(folder, manifest["files"])
    fitted = Fitted.from_json(json.loads(files.read(FIELDS_FILE)))
    block = Block.model_validate(manifest["task"])
    task: Task = registry.load("tasks", block.type).build(settings("tasks", block), fitted.target)
    artifact = Artifact(
        read=files.read,
        inputs=tuple(manifest["inputs"]),
        answers=tuple(manifest["answers"]),
        rebuild=lambda: _rebuild(folder, files, fitted, task),
        threads=threads,
    )
    writer = exporter.open_writer(artifact) if task.output.is_written else None
    return Answerer(
        name=manifest["name"],
        folder=folder,
        format=manifest["format"],
        fitted=fitted,
        task=task,
        answer=partial(probe, writer, task.output) if writer else exporter.open_model(artifact),
        model_bytes=sum(manifest["files"][name]["bytes"] for name in model_files(exporter, task.output)),
        step=manifest["step"],
        source=Block.model_validate(manifest["source"]) if manifest.get("source") else None,
        task_block=block,
        writer=writer,
        rows_a_row=max(1, manifest.get("rows_a_row", 1)),
    )


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write bundle.json under a digest of its own."""
    sealed = {**manifest, "digest": digest_of(manifest)}
    disk.write_atomic(folder / BUNDLE_FILE, json.dumps(sealed, indent=1).encode())


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return bundle.json; raises RunError when it is no bundle of this version."""
    path = folder / BUNDLE_FILE
    try:
        manifest = json.loads(disk.read(path, limit_bytes=MAX_MANIFEST_BYTES))
    except (FileNotFoundError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read as a bundle: {error}; export again") from error
    if not isinstance(manifest, dict):
        raise RunError(f"{path}: expected a mapping; export again")
    if manifest.get("bundle") != BUNDLE_VERSION:
        raise RunError(
            f"{path}: bundle version {manifest.get('bundle')} written by dlw {manifest.get('dlw')}; "
            f"this is dlw {__version__}, which reads version {BUNDLE_VERSION}: export again with the same dlw"
        )
    if manifest.pop("digest", None) != digest_of(manifest):
        raise RunError(f"{path}: checksum differs: not what was written; export again")
    kinds = {"name": str, "format": str, "task": dict, "inputs": dict, "answers": dict, "files": dict, "step": int}
    for key, kind in kinds.items():
        if not isinstance(manifest.get(key), kind):
            raise RunError(f"{path}: {key} is missing or wrong; export again")
    if not isinstance(manifest.get("rows_a_row", 1), int):
        raise RunError(f"{path}: rows_a_row is wrong; export again")
    return manifest


def file_entry(content: bytes) -> dict[str, Any]:
    """Return what bundle.json keeps of a file."""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def is_described(name: str, entry: Any) -> bool:
    """Tell whether bundle.json keeps of a file what `file_entry` returns, under a name that lies in the bundle."""
    is_whole = isinstance(entry, dict) and all(isinstance(entry.get(key), kind) for key, kind in _ENTRY.items())
    return is_whole and _FILE_NAME.fullmatch(name) is not None


@dataclass(frozen=True)
class VerifiedFiles:
    """The files of a bundle; the bytes that are returned are those that were checked."""

    folder: Path
    entries: Mapping[str, Any]

    def read(self, name: str) -> bytes:
        """Return a file's bytes; raises RunError when it is missing or not what was written."""
        path = self.folder / name
        entry = self.entries.get(name)
        if not _FILE_NAME.fullmatch(name) or not isinstance(entry, dict):
            raise RunError(f"{path}: is not a file of this bundle; export again")
        try:
            content = bytes(disk.read(path, limit_bytes=MAX_FILE_BYTES))
        except FileNotFoundError as error:
            raise RunError(f"{path}: is missing; export again") from error
        if file_entry(content) != entry:
            sizes = f"{len(content):,} bytes found, {entry.get('bytes')} written"
            raise RunError(f"{path}: checksum differs ({sizes}); export again")
        return content


def _rebuild(folder: Path, files: VerifiedFiles, fitted: Fitted, task: Task) -> nn.Module:
    """Return the network of the bundle's recipe with untrained weights."""
    from dlw.engine.inference import Predictor
    from dlw.recipe.check import load_recipe
    from dlw.verbs._network import answering, build_network

    files.read(RECIPE_FILE)
    recipe = load_recipe(folder / RECIPE_FILE).recipe
    return Predictor(answering(build_network(recipe, fitted, task)), task).eval().requires_grad_(False)
