"""Where the files of a run are, and how a run directory is made and found again."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from dlw.errors import ResourceError, RunError, RunInUseError, UsageError, did_you_mean
from dlw.runs import disk

PICKLE_SUFFIXES = (".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".bin", ".joblib")

_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Run:
    """A run directory; the paths in it exist as far as the run has come."""

    folder: Path

    @property
    def recipe(self) -> Path:
        """The recipe as written."""
        return self.folder / "recipe.yaml"

    @property
    def resolved(self) -> Path:
        """The recipe with every default filled; it runs alone."""
        return self.folder / "recipe.resolved.yaml"

    @property
    def fields(self) -> Path:
        """What the fields learned from the training split."""
        return self.folder / "fields.json"

    @property
    def environment(self) -> Path:
        """Versions, threads and device of the training."""
        return self.folder / "environment.json"

    @property
    def manifest(self) -> Path:
        """The sha256 of recipe, fields and data."""
        return self.folder / "manifest.json"

    @property
    def metrics(self) -> Path:
        """The journal: one JSON object a line."""
        return self.folder / "metrics.jsonl"

    @property
    def cost(self) -> Path:
        """Time, memory and energy of the training, one entry per sitting."""
        return self.folder / "cost.json"

    @property
    def report(self) -> Path:
        """The page about the training."""
        return self.folder / "report.html"

    @property
    def log(self) -> Path:
        """What the terminal showed."""
        return self.folder / "log.txt"

    @property
    def checkpoints(self) -> Path:
        """One folder per saved step."""
        return self.folder / "checkpoints"

    @property
    def lock(self) -> Path:
        """The file whose OS lock the training holds."""
        return self.folder / ".lock"

    @property
    def explanations(self) -> Path:
        """Reasons for answers, and what each input is worth."""
        return self.folder / "explanations"

    def evaluation(self, split: str) -> Path:
        """The folder of the scores on one split."""
        return self.folder / "evaluation" / _plain("split", split)

    def export(self, format: str) -> Path:
        """The folder of the bundle in one format."""
        return self.folder / "exports" / _plain("format", format)


def create_run(name: str, out: Path | None = None, base: Path = Path("runs")) -> Run:
    """Make a new run directory: `out`, which must be empty or absent (UsageError), or else `base/<name>-<n>`."""
    if out is not None:
        return _create_at(out)
    assert _RUN_NAME.fullmatch(name), "the recipe's schema allows no other names"
    disk.make_folders(base)
    number = max(_numbers(name, base), default=0) + 1
    while not disk.make_new_folder(base / f"{name}-{number}"):
        number += 1
    return _furnish(base / f"{name}-{number}")


def open_run(folder: Path) -> Run:
    """Return the run in a folder; raises RunError naming what is missing."""
    if folder.suffix.lower() in PICKLE_SUFFIXES:
        raise RunError(
            f"{folder}: dlw never loads pickle ({folder.suffix} files can run code when opened); name the run "
            "directory, or convert the weights to safetensors where you trust the file"
        )
    if not folder.exists():
        known = [run.folder.name for run in _runs_in(folder.parent)]
        raise RunError(f"run not found: {folder}{did_you_mean(folder.name, known)}")
    if not folder.is_dir():
        raise RunError(f"{folder}: a file, not a run directory (such as runs/digits-1)")
    run = Run(folder)
    missing = [path.name for path in (run.recipe, run.resolved, run.fields, run.checkpoints) if not path.exists()]
    if missing:
        inside = [found.folder.name for found in _runs_in(folder)]
        hint = f"; it holds the runs {', '.join(inside[:5])}: name one" if inside else ""
        raise RunError(f"{folder}: not a complete run directory: missing {', '.join(missing)}{hint}")
    return run


def latest_run(base: Path, name: str) -> Run:
    """Return the run of a name with the highest number; raises RunError if there is none."""
    numbers = _numbers(name, base)
    if not numbers:
        raise RunError(f"{base}: no run called {name}-<number>; start one without --resume")
    return open_run(base / f"{name}-{max(numbers)}")


def runs_in(base: Path) -> list[Run]:
    """Return the run directories in a folder, by name."""
    return sorted(_runs_in(base), key=lambda run: run.folder.name)


def _runs_in(base: Path) -> list[Run]:
    if not base.is_dir():
        return []
    return [Run(base / name) for name in disk.names(base) if Run(base / name).recipe.is_file()]


def _numbers(name: str, base: Path) -> list[int]:
    pattern = re.compile(re.escape(name) + r"-([1-9]\d{0,8})")
    return [int(match[1]) for entry in disk.names(base) if (match := pattern.fullmatch(entry))]


def _plain(what: str, name: str) -> str:
    """Return a name that becomes a folder; raises UsageError where it could lead anywhere else."""
    if not _RUN_NAME.fullmatch(name):
        raise UsageError(f"{what} {name!r}: letters, digits, . _ - only, beginning with a letter or digit")
    return name


def _create_at(out: Path) -> Run:
    if out.is_dir():
        run = Run(out)
        if disk.is_locked(run.lock):
            raise RunInUseError(f"--out {out} is in use by another training: choose another folder")
        # The recipe is written last: a training that was killed before leaves only these behind, so begin again.
        early = (run.lock, run.folder / ".cache", run.log, run.checkpoints, run.fields, run.resolved, run.manifest)
        others = set(disk.names(out)) - {path.name for path in early}
        has_begun = any(not name.startswith(disk.TEMPORARY) for name in others)
        if has_begun or (run.checkpoints.is_dir() and disk.names(run.checkpoints)):
            raise UsageError(
                f"--out {out}: the folder is not empty; go on with that run by "
                f"`dlw train --resume {shlex.quote(str(out))}`, or choose another folder"
            )
    elif out.exists() or out.is_symlink():
        raise ResourceError(f"--out {out}: is a file, not a folder; choose another path")
    return _furnish(out)


def _furnish(folder: Path) -> Run:
    run = Run(folder)
    disk.make_folders(run.checkpoints)
    disk.sync_folder(folder.parent)
    return run
