"""`dlw verify`: are a run and its data what they were?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlw.cli.options import AsJson, Code, Quiet, add_code
from dlw.cli.screen import add_row, draw, emit, table, tell


def verify_cli(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, such as runs/digits-1.")],
    code: Code = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Check every hash of a run and of its data.

    Exit code 4 where a file of the run differs, 3 where only the data do; data that are not on this machine are told.

    \b
    dlw verify runs/digits-1
    """
    from dlw.cli.terminal import Terminal
    from dlw.verbs.verify import verify

    add_code(code)
    with Terminal(quiet) as listener:
        found = verify(run, listener=listener)
    if as_json:
        emit(found.to_json())
    else:
        rows = table("checked", "state", "what")
        for check in found.checks:
            add_row(rows, check.what, check.state, check.note)
        draw(rows)
        for check in found.checks:
            for problem in check.problems:
                tell(f"{check.what}: {problem}")
    if found.exit_code:
        raise typer.Exit(found.exit_code)
