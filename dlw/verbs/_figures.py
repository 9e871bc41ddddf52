"""Measured numbers: what a benchmark gives, keeps in a file and compares with an earlier one."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dlw import __version__
from dlw.errors import RequirementError, UsageError
from dlw.progress import Listener
from dlw.runs.disk import finite

FILE_VERSION = 1


@dataclass(frozen=True)
class Figure:
    """One measured number. `is_higher_better` None: told, but too restless or too indirect to be held to a limit."""

    name: str
    value: float
    unit: str
    is_higher_better: bool | None = None
    of: str = ""
    """The artifact or recipe, where several are measured."""

    @property
    def key(self) -> str:
        """The name that is the figure's alone."""
        return f"{self.of}: {self.name}" if self.of else self.name


@dataclass(frozen=True)
class Change:
    """A figure beside its value in an earlier file; `worse` is the share by which it got worse (below 0: better)."""

    name: str
    before: float
    now: float
    unit: str
    worse: float


@dataclass(frozen=True)
class Trial:
    """One recipe of a suite. `status` is `met`, `no claim`, `short` (of a claim), `failed`, or `not here` (its data, an
    extra); `claims` says what was claimed and found."""

    recipe: str
    status: str
    told: str = ""
    claims: tuple[str, ...] = ()


@dataclass(frozen=True)
class BenchmarkResult:
    """What was measured, where, and how it compares."""

    target: str
    kind: str
    """`run`, `bundle`, `recipe`, `artifacts` or `suite`."""
    figures: list[Figure]
    machine: dict[str, Any]
    busy: float
    """Share of the processor that others kept busy just before (0 to 1)."""
    notes: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able mapping, null for what is undefined; `--save` writes the same."""
        return {"benchmark": FILE_VERSION, "dlw": __version__, **finite(asdict(self))}


def read(path: Path) -> dict[str, Any]:
    """Return `kind`, `machine` and the `figures` (key -> value) of a file that was kept; UsageError if it is none."""
    try:
        data = json.loads(path.read_bytes())
        figures = {
            Figure(entry["name"], 0.0, "", of=entry.get("of", "")).key: float(entry["value"])
            for entry in data["figures"]
            if entry["value"] is not None
        }
        return {"kind": data["kind"], "machine": data["machine"], "figures": figures}
    except OSError as error:
        raise UsageError(f"--against {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"--against {path}: is not a file written by dlw benchmark --save") from error


def compared(result: BenchmarkResult, earlier: Mapping[str, Any], path: Path, listener: Listener) -> BenchmarkResult:
    """Return the result with its changes since an earlier file; UsageError where they have nothing in common."""
    if earlier["kind"] != result.kind:
        raise UsageError(f"--against {path}: holds figures of a {earlier['kind']}, this is a {result.kind}")
    if earlier["machine"] != result.machine:
        listener.warn(f"{path} was measured on another machine: {earlier['machine']}")
    changes = []
    for figure in result.figures:
        before = earlier["figures"].get(figure.key)
        if before is None or not before > 0 or figure.is_higher_better is None:
            continue
        changes.append(Change(figure.key, before, figure.value, figure.unit, _worse(figure, before)))
    if not changes:
        raise UsageError(f"--against {path}: has no figure in common with this measurement")
    return BenchmarkResult(**{**vars(result), "changes": changes})


def _worse(figure: Figure, before: float) -> float:
    """Return the share by which a figure got worse; infinity where it is undefined now, or nothing is left of it."""
    if math.isnan(figure.value) or (figure.is_higher_better and figure.value <= 0):
        return math.inf
    return before / figure.value - 1 if figure.is_higher_better else figure.value / before - 1


def require(result: BenchmarkResult, max_regression: float) -> None:
    """Raise RequirementError if a figure is worse by more than a share."""
    worse = [change for change in result.changes if change.worse > max_regression]
    if worse:
        lines = [
            f"{change.name}: {change.before:.4g} before, {change.now:.4g} {change.unit} now, {change.worse:.0%} worse"
            for change in worse
        ]
        raise RequirementError(
            f"{len(worse)} figures are worse by more than {max_regression:.0%}:\n" + "\n".join(lines), result
        )


def require_claims(result: BenchmarkResult) -> None:
    """Raise RequirementError if a recipe of a suite failed or fell short of what it claims."""
    wrong = [trial for trial in result.trials if trial.status in ("short", "failed")]
    if wrong:
        lines = [f"{trial.recipe}: {trial.told}" for trial in wrong]
        raise RequirementError(
            f"{len(wrong)} of {len(result.trials)} recipes fail or fall short:\n" + "\n".join(lines), result
        )
