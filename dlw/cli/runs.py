"""`dlw runs`: the runs in a directory, oldest first, and two of them against each other."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlw.cli.options import AsJson, Code, add_code
from dlw.cli.plain import PlainCommand, PlainGroup
from dlw.cli.recipe import change_text
from dlw.cli.screen import add_row, draw, emit, figure, say, table, tell

if TYPE_CHECKING:
    from dlw.verbs.compare import Comparison

runs_app = typer.Typer(help="List runs, compare two.", rich_markup_mode=None, cls=PlainGroup)


@runs_app.command("list", cls=PlainCommand)
def list_cli(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where the runs are.")] = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """List the runs of a directory; `dlw runs DIR` is short for it."""
    from dlw.runs.listing import list_runs

    found = list_runs(directory) if os.path.isdir(directory) else []
    if as_json:
        emit({"runs": [run.to_json() for run in found]})
        return
    if not found:
        say(f"no runs in {directory}: `dlw train digits` makes one")
        return
    rows = table("run", "state", "step", "best", numeric=("step",))
    for run in found:
        best = f"{run.monitor} {figure(run.score)} at step {run.best_step:,}" if run.score is not None else "-"
        add_row(rows, run.folder, run.state, "-" if run.step is None else f"{run.step:,}", best)
    draw(rows)


@runs_app.command("compare", cls=PlainCommand)
def compare_cli(
    first: Annotated[Path, typer.Argument(metavar="FIRST", help="A run that was evaluated.")],
    second: Annotated[Path, typer.Argument(metavar="SECOND", help="Another, evaluated on the same rows.")],
    split: Annotated[str, typer.Option(help="Split that both were evaluated on.")] = "test",
    code: Code = None,
    as_json: AsJson = False,
) -> None:
    """Test whether one run is better than another.

    Both are scored on the same rows: the interval of the difference is that of a paired bootstrap, and McNemar's exact
    test counts the rows that only one has right. Runs that were judged on different rows are refused.

    \b
    dlw runs compare runs/digits-1 runs/digits-2
    """
    from dlw.verbs.compare import compare

    add_code(code)
    found = compare(first, second, split=split)
    if as_json:
        emit(found.to_json())
    else:
        _draw(found)


def _draw(found: Comparison) -> None:
    tell(f"{found.rows:,} rows of the {found.split} split; first: {found.first}, second: {found.second}")
    rows = table("metric", "first", "second", "difference", "95 % interval", "better", "p", numeric=("first", "second"))
    for one in found.metrics:
        low, high = one.difference.low, one.difference.high
        p_value = f"{one.mcnemar.p_value:.2g}" if one.mcnemar else "-"
        figures = (
            figure(one.first),
            figure(one.second),
            figure(one.difference.value),
            f"{figure(low)} to {figure(high)}",
        )
        add_row(rows, one.metric, *figures, one.better, p_value)
    draw(rows)
    for note in found.notes:
        tell(note)
    tell("the recipes differ in:" if found.recipe else "the recipes are the same")
    for change in found.recipe:
        tell(f"  {change_text(*change)}")
