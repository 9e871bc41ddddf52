"""What `dlw runs` shows of each run, read from names and manifests alone: cheap, and no torch."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from dlw.errors import RunError
from dlw.runs import disk
from dlw.runs.layout import Run, runs_in
from dlw.runs.manifest import Manifest, read_manifest
from dlw.runs.steps import saved_steps, step_folder

State = Literal["in use", "finished", "interrupted", "damaged"]


@dataclass(frozen=True)
class RunSummary:
    """One run. `step` is the last one saved (None before the first), `score` the monitored metric at `best_step`."""

    name: str
    folder: str
    state: State
    step: int | None
    best_step: int | None
    monitor: str | None
    score: float | None

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able mapping."""
        return asdict(self)


def list_runs(base: Path) -> list[RunSummary]:
    """Return a summary of every run in a folder, by name; a damaged run is shown as such and never raises."""
    return [summarize(run) for run in runs_in(base)]


def summarize(run: Run) -> RunSummary:
    """Return the summary of one run; no file beside the manifests is checked."""
    steps = saved_steps(run)
    manifests = [_manifest(run, step) for step in reversed(steps)]
    newest = manifests[0] if manifests else None
    best = next((manifest for manifest in manifests if manifest and manifest.is_best), newest)
    state: State = "finished" if newest and newest.is_final else "interrupted"
    if steps and newest is None:
        state = "damaged"
    if disk.is_locked(run.lock):
        state = "in use"
    return RunSummary(
        name=run.folder.name,
        folder=str(run.folder),
        state=state,
        step=steps[-1] if steps else None,
        best_step=best.step if best else None,
        monitor=best.monitor if best else None,
        score=best.score if best else None,
    )


def _manifest(run: Run, step: int) -> Manifest | None:
    """Return a manifest, or None where it is damaged, newer than this dlw, or pruned just now."""
    with suppress(RunError, FileNotFoundError):
        return read_manifest(step_folder(run, step))
    return None
