"""The checkpoint store: a checkpoint is there whole or not at all, and is read only if it is what was saved.

Saving writes a temporary folder beside the target, brings every file to the disk, adds the manifest last, renames,
brings the parent folder to the disk, and only then deletes old checkpoints. Loading reads each file into memory once
and hashes the very bytes that it parses.
"""

from __future__ import annotations

import hashlib
import json
import math
import secrets
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dlw.errors import CheckpointError, ResourceError, RunError
from dlw.progress import Listener
from dlw.runs import disk, tensorfile
from dlw.runs.layout import Run
from dlw.runs.manifest import FILE as MANIFEST
from dlw.runs.manifest import DamagedError, Manifest, read_manifest
from dlw.runs.steps import best_step, hide, point, pointed, prune, saved_steps, step_folder

if TYPE_CHECKING:
    from torch import Tensor

STATE = "state.json"
MAX_STATE_BYTES = 64 * 2**20

_WEIGHTS = ("model", "ema")
_SPARE_BYTES = 2**16
_RETRIES = 1000
_REMEDY = "restore it from a copy, or remove that checkpoint's folder to go on without it"

Which = Literal["last", "best"] | int
Groups = dict[str, dict[str, "Tensor"]]


@dataclass(frozen=True)
class Saved:
    """A checkpoint in memory: tensors by group ("model", "optimizer", "ema") and name, and the state of the loop."""

    step: int
    tensors: Groups
    state: dict[str, Any]
    path: Path
    manifest: Manifest


def save(
    run: Run,
    step: int,
    tensors: Mapping[str, Mapping[str, Tensor]],
    state: Mapping[str, Any],
    *,
    keep: int,
    is_best: bool,
    is_final: bool = False,
    monitor: str | None = None,
    score: float | None = None,
) -> Path:
    """Save one step and return its folder; afterwards the newest `keep` (at least 2) and the best are on the disk.

    `state` must survive JSON (lists, not tuples; text keys). `monitor` and `score` tell `dlw runs` how good it is,
    `is_final` that the training is done. Raises ResourceError if the disk does not take it, with the older checkpoints
    untouched.
    """
    assert keep >= 2, "one damaged checkpoint must not end a run"
    assert 0 <= step < 10**10, "the folder's name has ten digits"
    unique, aliases = _untie(tensors)
    packed = {f"{group}.safetensors": tensorfile.pack(members) for group, members in unique.items()}
    note = json.dumps({"step": step, "aliases": aliases, "state": state}).encode()
    chunks = {name: file.chunks for name, file in packed.items()} | {STATE: [note]}
    disk.refuse_link(run.checkpoints)
    disk.make_folders(run.checkpoints)
    is_first = not has_checkpoint(run)
    disk.require_space(run.checkpoints, sum(file.size_bytes for file in packed.values()) + len(note) + _SPARE_BYTES)
    target = step_folder(run, step)
    temporary = run.checkpoints / f"{disk.TEMPORARY}{target.name}-{secrets.token_hex(4)}"
    try:
        disk.make_folders(temporary)
        files = {name: disk.write_new(temporary / name, parts) for name, parts in chunks.items()}
        known = float(score) if score is not None and math.isfinite(score) else None
        manifest = Manifest(step, files, is_best, is_final, monitor, known)
        disk.write_new(temporary / MANIFEST, [manifest.to_bytes()])
        disk.sync_folder(temporary)
        disk.sync_file(run.metrics)
        if is_first:
            disk.sync_folder(run.folder)
        replaced = hide(target) if target.exists() else None
        disk.rename(temporary, target)
    except ResourceError:
        disk.discard(temporary)
        raise
    disk.sync_folder(run.checkpoints)
    if replaced:
        disk.remove_tree(replaced)
    point(run, "last", step)
    if is_best:
        point(run, "best", step)
    prune(run, step, keep)
    return target


def load(
    run: Run,
    which: Which,
    listener: Listener,
    *,
    groups: Collection[str] | None = None,
    check_finite: bool = True,
) -> Saved:
    """Load a checkpoint, verified; safe while a training saves and prunes.

    "last" is the newest that is what was saved: damaged ones are skipped with a warning. "best" and a step are exactly
    that one ("best" is the newest where none was ever best). `groups` reads only some tensors. `check_finite` refuses
    NaN and infinity in the weights. Raises CheckpointError; never answers with nothing.
    """
    for _ in range(_RETRIES):
        notes: list[str] = []
        try:
            if which == "last":
                saved = _newest(run, groups, notes)
            else:
                saved = _read(run, _choose(run, which), groups)
        except _VanishedError:
            continue
        for note in notes:
            listener.warn(note)
        if check_finite:
            for group in _WEIGHTS:
                require_finite(saved.tensors.get(group, {}), f"{saved.path}: {group}")
        return saved
    raise CheckpointError(f"{run.checkpoints}: the checkpoints keep changing; try again when the training has stopped")


def has_checkpoint(run: Run) -> bool:
    """Say whether anything was saved, sound or damaged."""
    return bool(saved_steps(run))


def clean(run: Run) -> None:
    """Clear what a stopped process left behind and set `last` and `best` right; call it with the lock held."""
    for folder in (run.folder, run.checkpoints):
        for name in disk.names(folder):
            if name.startswith((disk.TEMPORARY, disk.DELETED)):
                disk.remove_tree(folder / name)
    steps = saved_steps(run)
    if steps:
        point(run, "last", steps[-1])
    with suppress(DamagedError):
        best = best_step(run)
        if best is not None:
            point(run, "best", best)


def require_finite(tensors: Mapping[str, Tensor], where: str) -> None:
    """Raise CheckpointError naming each tensor that holds NaN or infinity, with counts."""
    import numpy as np
    import torch

    problems = []
    for name, tensor in tensors.items():
        if not (tensor.is_floating_point() or tensor.is_complex()) or not tensor.numel():
            continue
        has_numpy_twin = tensor.dtype in (torch.float32, torch.float64, torch.float16, torch.complex64)
        values = (tensor if has_numpy_twin else tensor.float()).detach().cpu().numpy()
        # A finite sum proves finite terms; an infinite one may be overflow, so only then look at each term.
        with np.errstate(all="ignore"):
            total = values.sum()
        if not np.isfinite(total):
            bad = int((~np.isfinite(values)).sum())
            if bad:
                problems.append(f"{name} ({bad} of {values.size} values)")
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise CheckpointError(f"{where}: NaN or infinity in the weights: {', '.join(problems[:5])}{more}")


def mismatch(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str | None:
    """Say how saved tensors differ from those of a model in names and shapes (the first 5), or return None."""
    lines = [f"{name}: missing in the checkpoint" for name in expected if name not in tensors]
    lines += [f"{name}: not in the model" for name in tensors if name not in expected]
    lines += [
        f"{name}: shape {list(tensors[name].shape)} in the checkpoint, {list(tensor.shape)} in the model"
        for name, tensor in expected.items()
        if name in tensors and tensors[name].shape != tensor.shape
    ]
    if not lines:
        return None
    more = f"; and {len(lines) - 5} more" if len(lines) > 5 else ""
    return "; ".join(lines[:5]) + more


class _VanishedError(Exception):
    """The checkpoint was pruned or replaced while it was read."""


def _choose(run: Run, which: Which) -> int:
    steps = _require_steps(run)
    if isinstance(which, int):
        if which not in steps:
            raise CheckpointError(f"{run.checkpoints}: no checkpoint of step {which}; there are {_listed(steps)}")
        return which
    try:
        best = best_step(run)
    except DamagedError as error:
        if saved_steps(run) != steps:
            raise _VanishedError from error
        raise CheckpointError(f"cannot tell which checkpoint is best: {error}; {_REMEDY}") from error
    return steps[-1] if best is None else best


def _newest(run: Run, groups: Collection[str] | None, notes: list[str]) -> Saved:
    last = pointed(run, "last")  # Before the steps: a training may save one in between.
    steps = _require_steps(run)
    problems = []
    if last is not None and last > steps[-1]:
        notes.append(f"{step_folder(run, last)} is missing: going back to step {steps[-1]}")
    for step in reversed(steps):
        try:
            return _read(run, step, groups)
        except DamagedError as error:
            problems.append(str(error))
            notes.append(f"damaged checkpoint skipped, going back to the one before: {error}")
    raise CheckpointError(
        f"{run.checkpoints}: every checkpoint is damaged; dlw does not start again from scratch in this folder: "
        f"restore one from a copy, or train into a new folder\n  " + "\n  ".join(problems)
    )


def _require_steps(run: Run) -> list[int]:
    steps = saved_steps(run)
    if not steps:
        raise CheckpointError(
            f"{run.checkpoints}: no checkpoint was saved yet; start a new run with `dlw train RECIPE`"
        )
    return steps


def _read(run: Run, step: int, groups: Collection[str] | None) -> Saved:
    folder = step_folder(run, step)
    before = _identity(folder)
    try:
        return _read_folder(folder, step, groups)
    except FileNotFoundError as error:
        if before is None or _identity(folder) != before:
            raise _VanishedError from error
        name = Path(error.filename).name if error.filename else MANIFEST
        raise DamagedError(f"{folder}: {name} is missing") from error
    except DamagedError as error:
        if _identity(folder) != before:
            raise _VanishedError from error
        raise


def _read_folder(folder: Path, step: int, groups: Collection[str] | None) -> Saved:
    if folder.is_symlink():
        raise DamagedError(f"{folder}: is a symbolic link")
    manifest = read_manifest(folder)
    if manifest.step != step:
        raise DamagedError(f"{folder}: holds step {manifest.step}")
    foreign = [name for name in disk.names(folder) if name not in (*manifest.files, MANIFEST) and name[0] != "."]
    if foreign:
        raise DamagedError(f"{folder}: files that were not saved there: {', '.join(foreign[:5])}")
    note = _read_state(folder, manifest)
    tensors: Groups = {}
    for name in manifest.files:
        group, _, suffix = name.partition(".")
        if suffix == "safetensors" and (groups is None or group in groups):
            tensors[group] = _read_tensors(folder, manifest, name)
            try:
                for alias, original in note["aliases"].get(group, {}).items():
                    tensors[group][alias] = tensors[group][original]
            except (AttributeError, KeyError, TypeError) as error:
                raise DamagedError(f"{folder / STATE}: ties tensors that are not there") from error
    return Saved(step, tensors, note["state"], folder, manifest)


def _read_tensors(folder: Path, manifest: Manifest, name: str) -> dict[str, Tensor]:
    data = _read_verified(folder, manifest, name)
    try:
        return tensorfile.unpack(data)
    except CheckpointError as error:
        raise DamagedError(f"{folder / name}: {error}") from error


def _read_state(folder: Path, manifest: Manifest) -> dict[str, Any]:
    if STATE not in manifest.files:
        raise DamagedError(f"{folder}: {STATE} is missing in the manifest")
    data = _read_verified(folder, manifest, STATE)
    try:
        note = json.loads(bytes(data))
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{folder / STATE}: not JSON") from error
    is_whole = isinstance(note, dict) and isinstance(note.get("state"), dict) and isinstance(note.get("aliases"), dict)
    if not is_whole or note.get("step") != manifest.step:
        raise DamagedError(f"{folder / STATE}: not the state of step {manifest.step}")
    return dict(note)


def _read_verified(folder: Path, manifest: Manifest, name: str) -> bytearray:
    """Read a file whose length and sha256 are those of the manifest."""
    path, (size_bytes, digest) = folder / name, manifest.files[name]
    if name == STATE and size_bytes > MAX_STATE_BYTES:
        raise DamagedError(f"{path}: {size_bytes} bytes; at most {MAX_STATE_BYTES} are allowed")
    try:
        data = disk.read(path, size_bytes)
    except RunError as error:
        raise DamagedError(str(error)) from error
    if len(data) != size_bytes:
        found = f"{len(data)}" if len(data) < size_bytes else f"more than {size_bytes}"
        raise DamagedError(f"{path}: expected {size_bytes} bytes, found {found}")
    if hashlib.sha256(data).hexdigest() != digest:
        raise DamagedError(f"{path}: checksum differs")
    return data


def _untie(tensors: Mapping[str, Mapping[str, Tensor]]) -> tuple[Groups, dict[str, dict[str, str]]]:
    """Split off names that share one tensor's memory: they are stored once, under the first name."""
    unique: Groups = {}
    aliases: dict[str, dict[str, str]] = {}
    for group, members in tensors.items():
        assert group.isidentifier(), "groups name files"
        owners: dict[tuple[Any, ...], str] = {}
        unique[group] = {}
        for name, tensor in members.items():
            memory = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride(), tensor.device)
            owner = owners.setdefault(memory, name) if tensor.numel() else name
            if owner == name:
                unique[group][name] = tensor
            else:
                aliases.setdefault(group, {})[name] = owner
    return unique, aliases


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_ctime_ns


def _listed(steps: list[int]) -> str:
    return ", ".join(str(step) for step in steps)
