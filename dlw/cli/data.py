"""`dlw data`: look at a recipe's data before any training."""

from __future__ import annotations

from typing import Annotated

import typer

from dlw.cli.options import AsJson, Code, Quiet, Sandbox, Sets, add_code
from dlw.cli.plain import PlainCommand, PlainGroup
from dlw.cli.screen import add_row, draw, emit, table, tell

data_app = typer.Typer(help="Look at a recipe's data before any training.", rich_markup_mode=None, cls=PlainGroup)

MOST_LINES = 12
"""Columns and classes that are shown; --json has all."""


@data_app.callback()
def data_root() -> None:
    """Look at a recipe's data before any training."""


@data_app.command("check", cls=PlainCommand)
def check_cli(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of an installed one.")],
    sets: Sets = None,
    sandbox: Sandbox = False,
    code: Code = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Find what would spoil a training or its score.

    Missing values, duplicates, leaks between splits, near twins, drift, rare classes, doubtful labels, unreadable rows.

    \b
    dlw data check digits
    """
    from dlw.cli.terminal import Terminal
    from dlw.verbs.check_data import check_data

    add_code(code)
    with Terminal(quiet) as listener:
        found = check_data(recipe, sets=sets or (), is_sandboxed=sandbox, listener=listener)
    if as_json:
        emit(found.to_json())
        return
    splits = list(found.rows)
    tell(f"{found.name}: " + ", ".join(f"{split} {count:,} rows" for split, count in found.rows.items()))
    gaps = [column for column in found.columns if any(column.missing.values())]
    if gaps:
        rows = table("missing, %", "field", *splits, numeric=splits)
        for column in gaps[:MOST_LINES]:
            add_row(rows, column.name, column.field, *(f"{100 * column.missing[split]:.1f}" for split in splits))
        draw(rows)
    if found.classes:
        rows = table("class", *splits, numeric=splits)
        for label, counts in list(found.classes.items())[:MOST_LINES]:
            add_row(rows, label, *(f"{counts[split]:,}" for split in splits))
        draw(rows)
    for finding in found.findings:
        rows_told = f" (rows {', '.join(map(str, finding.rows))})" if finding.rows and finding.check != "labels" else ""
        tell(f"{finding.severity}: {finding.check}: {finding.text}{rows_told}")
    if not found.findings:
        tell("nothing to act on was found")
