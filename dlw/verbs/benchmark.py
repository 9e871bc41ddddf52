"""`benchmark`: how fast a run or bundle answers, or a recipe trains, on this machine; and whether that got worse.

Several runs and bundles are compared side by side; a suite of recipes is held against what they claim.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from dlw import registry
from dlw.errors import UsageError
from dlw.progress import Listener, Silent
from dlw.verbs import _machine
from dlw.verbs._bundle import is_bundle
from dlw.verbs._figures import BenchmarkResult, Figure, Trial, compared, read, require, require_claims

DEFAULT_BATCH_SIZES = (1, 64)


def benchmark(
    *targets: Path | str,
    is_artifacts: bool = False,
    batch_sizes: Sequence[int] | None = None,
    save: Path | None = None,
    against: Path | None = None,
    max_regression: float | None = None,
    sets: Sequence[str] = (),
    threads: int | None = None,
    is_sandboxed: bool = False,
    listener: Listener | None = None,
) -> BenchmarkResult:
    """Measure a run, a bundle or a recipe, several runs and bundles side by side, or a suite of recipes.

    `is_artifacts` compares a run with its bundles; `is_sandboxed` refuses recipes whose paths leave their folder.
    Raises RequirementError, after saving, if a recipe of a suite falls short of what it claims, or if a figure is worse
    than in the file `against` by more than `max_regression` (a share: 0.1 is 10 %).
    """
    listener = listener or Silent()
    if max_regression is not None and against is None:
        raise UsageError("--max-regression has no effect without --against FILE")
    kind = _kind(targets, is_artifacts)
    if kind in ("recipe", "suite") and batch_sizes is not None:
        raise UsageError("--batch-sizes is for runs and bundles; a recipe trains with its own train.batch_size")
    earlier = read(against) if against else None
    busy = _machine.busy_share()
    if busy > _machine.BUSY:
        listener.warn(f"other programs keep {busy:.0%} of the processor busy: all will be slower than this machine can")
    trials: list[Trial] = []
    if kind == "recipe":
        figures, notes = _training(targets[0], sets, listener, is_sandboxed)
    elif kind == "suite":
        from dlw.verbs import _suite

        trials, figures, notes = _suite.run(targets, sets, is_sandboxed, listener)
    else:
        folders = [Path(target) for target in targets]
        figures, notes = _answering(kind, folders, is_artifacts, batch_sizes, threads, listener)
    result = BenchmarkResult(
        target=" ".join(map(str, targets)),
        kind=kind,
        figures=figures,
        machine=_machine.describe(),
        busy=round(busy, 3),
        notes=notes,
        trials=trials,
    )
    if earlier is not None and against is not None:
        result = compared(result, earlier, against, listener)
    if save is not None:
        from dlw.runs.disk import write_atomic

        write_atomic(save, json.dumps(result.to_json(), indent=1).encode())
    require_claims(result)
    if max_regression is not None:
        require(result, max_regression)
    return result


def _kind(targets: Sequence[Path | str], is_artifacts: bool) -> str:
    """Return what is measured: `run`, `bundle`, `recipe`, `artifacts` or `suite`."""
    kinds = [_kind_of(Path(target)) for target in targets]
    if is_artifacts and kinds != ["run"]:
        raise UsageError("--artifacts compares one run with its bundles: name a run directory")
    if len(kinds) == 1:
        return "artifacts" if is_artifacts else "suite" if kinds == ["folder"] else kinds[0]
    for several, name in (({"run", "bundle"}, "artifacts"), ({"recipe", "folder"}, "suite")):
        if kinds and set(kinds) <= several:
            return name
    raise UsageError("name a run, a bundle or a recipe, or several runs and bundles, or several recipes")


def _kind_of(path: Path) -> str:
    if not path.is_dir():
        return "recipe"
    if is_bundle(path):
        return "bundle"
    is_run = any((path / name).exists() for name in ("recipe.resolved.yaml", "checkpoints"))
    return "folder" if not is_run and next(path.rglob("*.yaml"), None) else "run"


def _answering(
    kind: str,
    folders: Sequence[Path],
    is_artifacts: bool,
    batch_sizes: Sequence[int] | None,
    threads: int | None,
    listener: Listener,
) -> tuple[list[Figure], list[str]]:
    sizes = list(batch_sizes or _recipe_sizes(folders[0]))
    if kind == "artifacts":
        from dlw.verbs import _artifacts

        chosen = _artifacts.found_in(folders[0], listener) if is_artifacts else folders
        return _artifacts.measure(chosen, sizes, threads, listener)
    return _alone(folders[0], sizes, threads, listener)


def _alone(
    folder: Path, sizes: Sequence[int], threads: int | None, listener: Listener
) -> tuple[list[Figure], list[str]]:
    from dlw.verbs import _answer_speed

    listener.line(f"measuring in new processes: start, then batches of {', '.join(map(str, sizes))} rows")
    (found,) = _answer_speed.measure([folder], sizes, threads, registry.code_files())
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
        f"answers come from {'torch' if found['imports_torch'] else 'the runtime of ' + found['format']}"
        + ("" if found["imports_torch"] else ", torch is not imported"),
        f"writing: {found['written_tokens']} tokens after an empty prompt, with the cache, none ending early; "
        f"{found['way']}"
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
