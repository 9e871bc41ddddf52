"""`dlw benchmark`: how fast a run, a bundle or a recipe is on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dlw.cli.options import AsJson, Code, Quiet, Sandbox, Sets, Threads, add_code, whole
from dlw.cli.screen import add_row, draw, emit, figure, table, tell
from dlw.errors import RequirementError, UsageError


def benchmark_cli(
    targets: Annotated[
        list[str],
        typer.Argument(metavar="RUN|BUNDLE|RECIPE...", help="What to measure; many recipes are a suite."),
    ],
    artifacts: Annotated[
        bool, typer.Option("--artifacts", help="Compare the run with all its bundles, side by side.")
    ] = False,
    batch_sizes: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Rows per call [default: the recipe's, else 1,64].")
    ] = None,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="Keep the figures as JSON.")] = None,
    against: Annotated[Path | None, typer.Option(metavar="FILE", help="Compare with figures kept before.")] = None,
    max_regression: Annotated[
        str | None, typer.Option(metavar="PERCENT", help="With --against: exit 9 if slower by more, such as 10%.")
    ] = None,
    sets: Sets = None,
    threads: Threads = None,
    sandbox: Sandbox = False,
    code: Code = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure runs, bundles or recipes.

    Latency, throughput, memory and size of a run or bundle; of several, side by side, the score, too. The training
    speed of a recipe; of several, what they reach and cost, held against what they claim (exit 9).

    \b
    dlw benchmark runs/digits-1/exports/onnx --save today.json
    dlw benchmark runs/digits-1 --artifacts
    dlw benchmark digits
    dlw benchmark recipes/
    """
    from dlw.cli.terminal import Terminal
    from dlw.verbs.benchmark import benchmark

    add_code(code)
    with Terminal(quiet) as listener:
        try:
            result = benchmark(
                *targets,
                is_artifacts=artifacts,
                batch_sizes=_sizes(batch_sizes),
                save=save,
                against=against,
                max_regression=_fraction(max_regression),
                sets=sets or (),
                threads=whole("--threads", threads),
                is_sandboxed=sandbox,
                listener=listener,
            )
        except RequirementError as error:
            if error.result is not None and not as_json:
                _draw(error.result)
            raise
    if as_json:
        emit(result.to_json())
    else:
        _draw(result)


def _sizes(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        sizes = [int(word) for word in text.split(",")]
    except ValueError:
        sizes = []
    if not sizes or min(sizes) < 1:
        raise UsageError(f"--batch-sizes {text}: expected whole numbers of at least 1, such as 1,64")
    return sizes


def _fraction(text: str | None) -> float | None:
    """Read `10%` or `0.1`."""
    if text is None:
        return None
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 10:
        raise UsageError(f"--max-regression {text}: expected a share such as 10% or 0.1")
    return value


def _draw(result: Any) -> None:
    """Figures, beside those compared with, then what they mean."""
    if result.kind in ("artifacts", "suite"):
        _draw_side_by_side(result)
    else:
        _draw_figures(result)
    for note in result.notes:
        tell(f"  {note}")
    machine = ", ".join(f"{name} {value}" for name, value in result.machine.items())
    tell(f"  machine: {machine}; {result.busy:.0%} busy with other work before")


def _draw_figures(result: Any) -> None:
    changes = {change.name: change for change in result.changes}
    numeric = ("now", "before", "change")
    rows = table(result.kind, "now", "unit", *(("before", "change") if changes else ()), numeric=numeric)
    for found in result.figures:
        cells = [found.name, figure(found.value), found.unit]
        if changes:
            change = changes.get(found.name)
            cells += [figure(change.before), f"{_better_or_worse(change.worse)}"] if change else ["", ""]
        add_row(rows, *cells)
    draw(rows)


def _draw_side_by_side(result: Any) -> None:
    """One row for each artifact or recipe, one column for each figure."""
    units = {found.name: found.unit for found in result.figures}
    plain = ("score",)
    heads = [f"{name} ({unit})" if unit and name not in plain else name for name, unit in units.items()]
    trials = {trial.recipe: trial for trial in result.trials}
    told = ("metric", "", "claims") if trials else ()
    rows = table("recipe" if trials else "artifact", *heads, *told, numeric=heads)
    values = {(found.of, found.name): found for found in result.figures}
    for name in trials or dict.fromkeys(found.of for found in result.figures):
        found = [values.get((name, each)) for each in units]
        cells = [figure(each.value) if each else "" for each in found]
        if trials:
            score = values.get((name, "score"))
            cells += [score.unit if score else "", trials[name].status, trials[name].told]
        add_row(rows, name, *cells)
    draw(rows)
    for change in result.changes:
        tell(f"  {change.name}: {figure(change.before)} before, {_better_or_worse(change.worse)}")


def _better_or_worse(worse: float) -> str:
    return f"{abs(worse):.1%} {'worse' if worse > 0 else 'better'}"
