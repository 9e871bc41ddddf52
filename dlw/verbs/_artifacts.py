"""A run and its bundles side by side: speed by turns, size, memory, and the score on the same test rows."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from dlw import registry
from dlw.errors import UsageError
from dlw.progress import Listener
from dlw.runs import environment
from dlw.verbs import _answer_speed
from dlw.verbs._bundle import is_bundle, open_bundle, read_manifest
from dlw.verbs._figures import Figure


def found_in(run: Path, listener: Listener) -> list[Path]:
    """Return a run and those of its bundles that dlw opens."""
    folders = sorted(path for path in (run / "exports").glob("*") if is_bundle(path))
    targets = [run]
    for folder in folders:
        manifest = read_manifest(folder)
        refused = registry.load("exporters", manifest["format"]).REOPENS
        if refused:
            listener.line(f"{folder} is left out: {refused}")
        else:
            targets.append(folder)
    if len(targets) == 1:
        raise UsageError(f"{run}: has no bundle to compare with; `dlw export {shlex.quote(str(run))}` writes one")
    return targets


def measure(
    targets: Sequence[Path], batch_sizes: Sequence[int], threads: int | None, listener: Listener
) -> tuple[list[Figure], list[str]]:
    """Return figures and notes of several targets, each named by what it is."""
    names = _names(targets)
    threads = threads or environment.threads()
    told = ", ".join(map(str, batch_sizes))
    listener.line(f"measuring {', '.join(names)} by turns, batches of {told} rows, {threads} threads each")
    found = _answer_speed.measure(targets, batch_sizes, threads, registry.code_files())
    scores, note = _scores(targets, listener)
    figures = []
    for name, target, result in zip(names, targets, found, strict=True):
        for size, times in result["latency"].items():
            figures.append(Figure(f"batch {size}: p50", times["p50"], "ms", False, name))
            figures.append(Figure(f"batch {size}: p95", times["p95"], "ms", None, name))
        for size, speed in result["tokens_per_second"].items():
            figures.append(Figure(f"writing, {size} side by side", speed, "tokens/s", True, name))
        figures.append(Figure("size", result["model_bytes"] / 2**20, "MiB", False, name))
        figures.append(Figure("memory", result["peak_memory_bytes"] / 2**20, "MiB", False, name))
        if target in scores:
            metric, score, is_higher_better = scores[target]
            figures.append(Figure(metric, score, "", is_higher_better, name))
    notes = [
        f"measured by turns, {threads} threads each; p50 and p95 of a call on made-up rows",
        "size: the model files, or the weights of a run; memory: the peak of a process that does nothing else",
        note,
    ]
    return figures, notes


def _names(targets: Sequence[Path]) -> list[str]:
    """Return a short name for each: what it is, or where it lies if two are the same."""
    short = []
    for target in targets:
        if not is_bundle(target):
            short.append("run")
            continue
        manifest = read_manifest(target)
        short.append(" ".join(filter(None, (manifest["format"], manifest.get("quantized")))))
    return short if len(set(short)) == len(short) else [str(target) for target in targets]


def _scores(targets: Sequence[Path], listener: Listener) -> tuple[Mapping[Path, tuple[str, float, bool]], str]:
    """Return metric, score and its direction by target, and in words what was scored, or why nothing was."""
    from dlw.verbs._exam import set_exam
    from dlw.verbs._rows import load_tables
    from dlw.verbs._trained import open_trained

    run = _common_run(targets)
    if run is None:
        return {}, "no score: the bundles are not all in the exports folder of one run"
    trained = open_trained(run, listener=listener)
    if trained.task.output.is_written:
        return {}, "no score: a network that writes is scored by dlw evaluate"
    tables = load_tables(trained.recipe, trained.root, run / ".cache", listener)
    split = next((name for name in ("test", "validation") if name in tables), None)
    if split is None:
        return {}, "no score: the run has neither test nor validation rows"
    exam = set_exam(trained, tables, split, listener)
    scores: dict[Path, tuple[str, float, bool]] = {}
    for target in targets:
        outcome = exam.outcome(open_bundle(target)) if is_bundle(target) else exam.network
        scores[target] = (exam.metric, exam.score(outcome), exam.is_higher_better)
    undefined = any(math.isnan(score) for _, score, _ in scores.values())
    note = f"{exam.metric}: on the same {len(exam.table):,} {split} rows" + (", undefined there" if undefined else "")
    return scores, note


def _common_run(targets: Sequence[Path]) -> Path | None:
    """Return the run that all targets come from."""
    runs = {(target.parent.parent if is_bundle(target) else target).resolve() for target in targets}
    run = runs.pop()
    is_run = (run / "recipe.resolved.yaml").is_file()
    return run if not runs and is_run else None
