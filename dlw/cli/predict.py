"""`dlw predict`: answers for new rows, from a run or an exported bundle."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlw.cli.options import AsJson, Code, Quiet, Threads, add_code, whole
from dlw.cli.screen import add_row, draw, emit, figure, say, table, tell

if TYPE_CHECKING:
    from dlw.verbs.predict import Predictions

_MOST_ROWS = 30


def predict_cli(
    target: Annotated[Path, typer.Argument(metavar="RUN|BUNDLE", help="A run directory or an exported bundle.")],
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="Files, folders, globs, or - for stdin.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write .parquet, .csv or .jsonl instead.")
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Repeat an input column beside the answers; repeatable."),
    ] = None,
    threads: Threads = None,
    code: Code = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Answer for new rows: tables or pictures.

    On a terminal the first answers are shown as a table; a pipe gets all of them as CSV.

    \b
    dlw predict runs/digits-1 digit.png
    dlw predict runs/adult-1/exports/onnx people.csv -o answers.csv
    """
    from dlw.cli.terminal import Terminal
    from dlw.verbs.predict import predict

    add_code(code)
    with Terminal(quiet) as listener:
        result = predict(
            target, inputs, output=output, keep=keep or (), threads=whole("--threads", threads), listener=listener
        )
    if as_json:
        emit(result.to_json())
    else:
        _draw(result)


def _draw(result: Predictions) -> None:
    """A table of the first rows on a terminal, every row as CSV in a pipe."""
    if result.output is not None:
        say(f"{result.num_rows:,} rows answered: {result.output}")
        return
    if not sys.stdout.isatty():
        from dlw.verbs._tables import table_bytes

        tell(table_bytes(result.columns, ".csv").decode("utf-8").rstrip("\n"))
        return
    rows = table(*result.columns)
    for row in itertools.islice(result.rows(), _MOST_ROWS):
        add_row(rows, *(_short(value) for value in row.values()))
    draw(rows)
    if result.num_rows > _MOST_ROWS:
        say(f"... and {result.num_rows - _MOST_ROWS:,} more rows: -o FILE keeps all")


def _short(value: Any) -> str:
    return figure(value) if isinstance(value, float) else "" if value is None else str(value)
