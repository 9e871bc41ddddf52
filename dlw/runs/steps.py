"""The checkpoint folders of a run as a set: which steps there are, which is best, what is kept, what is litter.

The manifests are the truth; the one-line files `last` and `best` repeat it for people and shell scripts.
Torch-free, so that listing and clearing runs stays cheap.
"""

from __future__ import annotations

import re
from pathlib import Path

from dlw.errors import RunError
from dlw.runs import disk
from dlw.runs.layout import Run
from dlw.runs.manifest import DamagedError, Manifest, read_manifest

_STEP = re.compile(r"step-(\d{10})")


def step_folder(run: Run, step: int) -> Path:
    """Return the folder of one step's checkpoint."""
    return run.checkpoints / f"step-{step:010d}"


def saved_steps(run: Run) -> list[int]:
    """Return the steps that have a checkpoint folder, oldest first; damaged ones too."""
    return [int(match[1]) for name in disk.names(run.checkpoints) if (match := _STEP.fullmatch(name))]


def best_step(run: Run) -> int | None:
    """Return the step that was best when it was saved, the latest of them; None if none was.

    Raises DamagedError where a manifest newer than the best cannot be read: it could be the best.
    """
    for step in reversed(saved_steps(run)):
        if _manifest(run, step).is_best:
            return step
    return None


def prune(run: Run, step: int, keep: int) -> None:
    """Delete what is not kept once `step` is saved: all but the newest `keep` and the best.

    Steps beyond `step` go as well: a resume has skipped them as damaged, and the run saves them anew.
    """
    steps = saved_steps(run)
    past = [other for other in steps if other <= step]
    kept = set(past[-keep:])
    for other in reversed(past):
        try:
            is_best = _manifest(run, other).is_best
        except DamagedError:
            kept.add(other)  # It may have been the best: left for a person to decide.
            continue
        if is_best:
            kept.add(other)
            break
    hidden = [hide(step_folder(run, other)) for other in steps if other not in kept]
    if hidden:
        # On the disk before the files go, or a power loss could leave half a checkpoint under its own name.
        disk.sync_folder(run.checkpoints)
    for folder in hidden:
        disk.remove_tree(folder)


def hide(folder: Path) -> Path:
    """Rename a checkpoint that is to be deleted, so that no reader meets half of it; returns the new path."""
    hidden = folder.with_name(f"{disk.DELETED}{folder.name}")
    disk.remove_tree(hidden)
    disk.rename(folder, hidden)
    return hidden


def point(run: Run, word: str, step: int) -> None:
    """Write `last` or `best`, unless it already says so; not waited for, since the manifests tell it too."""
    path = run.checkpoints / word
    if pointed(run, word) != step:
        disk.write_atomic(path, f"{step_folder(run, step).name}\n".encode(), is_durable=False)


def pointed(run: Run, word: str) -> int | None:
    """Return the step that `last` or `best` names; None if the file is missing or damaged."""
    try:
        text = disk.read(run.checkpoints / word, 64)
    except (FileNotFoundError, RunError):
        return None
    match = _STEP.fullmatch(text.decode("ascii", "replace").removesuffix("\n"))
    return int(match[1]) if match else None


def _manifest(run: Run, step: int) -> Manifest:
    try:
        return read_manifest(step_folder(run, step))
    except FileNotFoundError as error:
        raise DamagedError(f"{step_folder(run, step)}: manifest.json is missing") from error
