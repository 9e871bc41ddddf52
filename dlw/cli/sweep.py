"""`dlw sweep`: find the values of a recipe's `search` section that validate best."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlw.cli.options import AsJson, Code, Quiet, Sets, whole
from dlw.cli.screen import add_row, draw, emit, figure, say, table, tell

if TYPE_CHECKING:
    from dlw.verbs.sweep import SweepResult


def sweep_cli(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of an installed one.")],
    trials: Annotated[
        str | None, typer.Option(metavar="N", help="Trials in all, those made before included [default: 50].")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The sweep's folder [default: runs/NAME-sweep].")
    ] = None,
    storage: Annotated[
        str | None, typer.Option(metavar="URL", help="A database for many machines [default: SQLite in the folder].")
    ] = None,
    sets: Sets = None,
    code: Code = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Try values of a recipe; keep the best recipe and its run.

    Say it in several terminals for several workers; say it again to go on.

    \b
    dlw sweep penguins --trials 20
    dlw sweep my.yaml -s train.threads=1 --storage postgresql://host/sweeps
    """
    from dlw.cli.terminal import Terminal
    from dlw.verbs.sweep import DEFAULT_TRIALS, sweep

    count = whole("--trials", trials, high=100_000) or DEFAULT_TRIALS
    with Terminal(quiet) as listener:
        result = sweep(
            recipe, trials=count, out=out, storage=storage, sets=sets or (), code=code or (), listener=listener
        )
    if as_json:
        emit(result.to_json())
    else:
        _draw(result)
        if not quiet:
            _say_next(result)


def _draw(result: SweepResult) -> None:
    """Show every trial, the best first, and what mattered."""
    keys = sorted({key for row in result.trials for key in row.params})
    sign = -1 if result.is_higher_better else 1
    rows = table("trial", "state", result.monitor, *keys, "seconds", "", numeric=("trial", "seconds"))
    for row in sorted(result.trials, key=lambda row: (row.state != "complete", sign * (row.score or 0.0), row.number)):
        values = [row.shown().get(key, "-") for key in keys]
        note = "as written" if row.number == 0 and not row.reason else row.reason or ""
        add_row(rows, row.number, row.state, figure(row.score), *values, figure(row.seconds), note)
    draw(rows)
    if result.importance:
        tell("importance  " + "  ".join(f"{key} {share:.0%}" for key, share in result.importance.items()))
    if result.best is None:
        tell("no trial was completed")


def _say_next(result: SweepResult) -> None:
    """Say which commands come next, if a trial was completed."""
    if result.best is None or result.recipe is None:
        return
    run = Path(result.folder) / "trials" / str(result.best.number)
    say(f"next:\n  dlw train {shlex.quote(result.recipe)}")
    if run.is_dir():
        say(f"  dlw evaluate {shlex.quote(str(run))}")
