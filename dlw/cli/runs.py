"""`dlw runs`: the runs in a directory, oldest first."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlw.cli.options import AsJson
from dlw.cli.screen import add_row, draw, emit, table


def runs_cli(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where the runs are.")] = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """List the runs of a directory."""
    from dlw.runs.layout import runs_in

    found = runs_in(directory)
    if as_json:
        emit({"runs": [{"folder": str(run.folder)} for run in found]})
        return
    rows = table("run")
    for run in found:
        add_row(rows, run.folder)
    draw(rows)
