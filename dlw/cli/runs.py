"""`dlw runs`: the runs in a directory, oldest first."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from dlw.cli.options import AsJson
from dlw.cli.screen import add_row, draw, emit, figure, say, table


def runs_cli(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where the runs are.")] = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """List the runs of a directory."""
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
