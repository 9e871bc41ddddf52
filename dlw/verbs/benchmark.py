"""`benchmark`: how fast a run or bundle answers, or a recipe trains, on this machine; and whether that got worse."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dlw import __version__, registry
from dlw.errors import RequirementError, UsageError
from dlw.progress import Listener, Silent
from dlw.verbs import _machine
from dlw.verbs._bundle import is_bundle

FILE_VERSION = 1
DEFAULT_BATCH_SIZES = (1, 64)


@dataclass(frozen=True)
class Figure:
    """One measured number. `is_higher_better` None: told, but too restless or too indirect to be held to a limit."""

    name: str
    value: float
    unit: str
    is_higher_better: bool | None = None


@dataclass(frozen=True)
class Change:
    """A figure beside its value in an earlier file; `worse` is the share by which it got worse (below 0: better)."""

    name: str
    before: float
    now: float
    unit: str
    worse: float


@dataclass(frozen=True)
class BenchmarkResult:
    """What was measured, where, and how it compares."""

    target: str
    kind: str
    """`run`, `bundle` or `recipe`."""
    figures: list[Figure]
    machine: dict[str, Any]
    busy: float
    """Share of the processor that others kept busy just before (0 to 1)."""
    notes: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able mapping; `--save` writes the same."""
        return {"benchmark": FILE_VERSION, "dlw": __version__, **asdict(self)}


def benchmark(
    target: Path | str,
    *,
    batch_sizes: Sequence[int] | None = None,
    save: Path | None = None,
    against: Path | None = None,
    max_regression: float | None = None,
    sets: Sequence[str] = (),
    threads: int | None = None,
    is_sandboxed: bool = False,
    listener: Listener | None = None,
) -> BenchmarkResult:
    """Measure a run, a bundle or a recipe; `is_sandboxed` refuses a recipe whose paths leave its folder.

    Raises RequirementError, after saving, if a figure is worse than in the file `against` by more than `max_regression`
    (a share: 0.1 is 10 %).
    """
    listener = listener or Silent()
    if max_regression is not None and against is None:
        raise UsageError("--max-regression has no effect without --against FILE")
    earlier = _read(against) if against else None
    busy = _machine.busy_share()
    if busy > _machine.BUSY:
        listener.warn(f"other programs keep {busy:.0%} of the processor busy: the figures will be too low")
    folder = Path(target)
    if folder.is_dir():
        kind = "bundle" if is_bundle(folder) else "run"
        figures, notes = _answering(folder, batch_sizes, threads, listener)
    else:
        if batch_sizes is not None:
            raise UsageError("--batch-sizes is for runs and bundles; a recipe trains with its own train.batch_size")
        kind = "recipe"
        figures, notes = _training(target, sets, listener, is_sandboxed)
    result = BenchmarkResult(
        target=str(target),
        kind=kind,
        figures=figures,
        machine=_machine.describe(),
        busy=round(busy, 3),
        notes=notes,
    )
    if earlier is not None and against is not None:
        result = _compared(result, earlier, against, listener)
    if save is not None:
        from dlw.runs.disk import write_atomic

        write_atomic(save, json.dumps(result.to_json(), indent=1).encode())
    if max_regression is not None:
        _require(result, max_regression)
    return result


def _answering(
    folder: Path, batch_sizes: Sequence[int] | None, threads: int | None, listener: Listener
) -> tuple[list[Figure], list[str]]:
    from dlw.verbs import _answer_speed

    sizes = list(batch_sizes or _recipe_sizes(folder))
    listener.line(f"measuring in new processes: start, then batches of {', '.join(map(str, sizes))} rows")
    found = _answer_speed.measure(folder, sizes, threads, registry.code_files())
    figures = [
        Figure("cold start", found["cold_start_seconds"], "s", False),
        Figure("cold start, processor time", found["cold_start_cpu_seconds"], "s", False),
    ]
    for size, times in found["latency"].items():
        figures += [
            Figure(f"batch {size}: p50", times["p50"], "ms", False),
            Figure(f"batch {size}: p95", times["p95"], "ms"),
            Figure(f"batch {size}: p99", times["p99"], "ms"),
            Figure(f"batch {size}: throughput", int(size) / times["p50"] * 1e3, "rows/s", True),
        ]
        if found["sound_seconds"]:
            factor = times["p50"] / 1e3 / (int(size) * found["sound_seconds"])
            figures.append(Figure(f"batch {size}: real-time factor", factor, "s/s", False))
    figures += [
        Figure(f"writing, {size} side by side", speed, "tokens/s", True)
        for size, speed in found["tokens_per_second"].items()
    ]
    figures += [
        Figure("peak memory", found["peak_memory_bytes"] / 2**20, "MiB", False),
        Figure("model size", found["model_bytes"] / 2**20, "MiB", False),
    ]
    notes = [
        "cold start: from starting a process to its first answer, median of 3; without reading a row from a file",
        f"answers come from {'torch' if found['imports_torch'] else 'ONNX Runtime, torch is not imported'}",
        f"writing: {_answer_speed.WRITTEN_TOKENS} tokens after an empty prompt, with the cache, none ending early"
        if found["tokens_per_second"]
        else "throughput is batch size over p50",
    ]
    if found["sound_seconds"]:
        notes.append(f"real-time factor: p50 over the length of the sound, recordings of {found['sound_seconds']:g} s")
    return figures, notes


def _recipe_sizes(folder: Path) -> Sequence[int]:
    """Return the batch sizes of a run's recipe; a bundle has none of its own."""
    if is_bundle(folder):
        return DEFAULT_BATCH_SIZES
    from dlw.recipe.check import load_recipe
    from dlw.runs.layout import open_run

    return load_recipe(open_run(folder).resolved).recipe.benchmark.batch_sizes


def _training(
    target: Path | str, sets: Sequence[str], listener: Listener, is_sandboxed: bool
) -> tuple[list[Figure], list[str]]:
    from dlw.verbs import _training_speed

    found = _training_speed.measure(target, sets, listener, is_sandboxed)
    figures = [
        Figure("training speed", found["samples_per_second"], "rows/s", True),
        Figure("bare loop", found["bare_samples_per_second"], "rows/s"),
        Figure("engine overhead", found["overhead"] * 100, "%"),
        Figure("waiting for data", found["waiting_share"] * 100, "%"),
        Figure("work per step", found["flops_per_step"] / 1e9, "GFLOP"),
        Figure("matrix peak", found["matrix_peak_flops"] / 1e9, "GFLOP/s"),
        Figure("share of the matrix peak", found["peak_fraction"] * 100, "%"),
        Figure("peak memory", _machine.peak_memory_bytes() / 2**20, "MiB", False),
    ]
    notes = [
        f"{found['hardware']}, batches of {found['batch_size']} rows; medians of turns, engine and bare loop by turns",
        "bare loop: the same network, loss, optimizer and batches without the engine around them",
        "matrix peak: the fastest of several products of 1024 x 1024 matrices on this machine",
    ]
    return figures, notes


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes())
        figures = {entry["name"]: float(entry["value"]) for entry in data["figures"]}
        return {"kind": data["kind"], "machine": data["machine"], "figures": figures}
    except OSError as error:
        raise UsageError(f"--against {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"--against {path}: is not a file written by dlw benchmark --save") from error


def _compared(result: BenchmarkResult, earlier: dict[str, Any], path: Path, listener: Listener) -> BenchmarkResult:
    if earlier["kind"] != result.kind:
        raise UsageError(f"--against {path}: holds figures of a {earlier['kind']}, this is a {result.kind}")
    if earlier["machine"] != result.machine:
        listener.warn(f"{path} was measured on another machine: {earlier['machine']}")
    changes = []
    for figure in result.figures:
        before = earlier["figures"].get(figure.name)
        if before is None or figure.is_higher_better is None or min(before, figure.value) <= 0:
            continue
        worse = before / figure.value - 1 if figure.is_higher_better else figure.value / before - 1
        changes.append(Change(figure.name, before, figure.value, figure.unit, worse))
    if not changes:
        raise UsageError(f"--against {path}: has no figure in common with this measurement")
    return BenchmarkResult(**{**vars(result), "changes": changes})


def _require(result: BenchmarkResult, max_regression: float) -> None:
    worse = [change for change in result.changes if change.worse > max_regression]
    if worse:
        lines = [
            f"{change.name}: {change.before:.4g} before, {change.now:.4g} {change.unit} now, {change.worse:.0%} worse"
            for change in worse
        ]
        raise RequirementError(
            f"{len(worse)} figures are worse by more than {max_regression:.0%}:\n" + "\n".join(lines)
        )
