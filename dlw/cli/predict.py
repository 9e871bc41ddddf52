"""`dlw predict`: answers for new rows, from a run or an exported bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlw.cli.options import AsJson, Code, Quiet, add_code
from dlw.cli.screen import emit, tell

if TYPE_CHECKING:
    from dlw.verbs.predict import Predictions


def predict_cli(
    target: Annotated[Path, typer.Argument(metavar="RUN|BUNDLE", help="A run directory or an exported bundle.")],
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="Files, folders, globs, or - for stdin.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write .parquet, .csv or .jsonl instead.")
    ] = None,
    code: Code = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Answer for new rows: tables or pictures.

    \b
    dlw predict runs/digits-1 digit.png
    dlw predict runs/adult-1/exports/onnx people.csv -o answers.csv
    """
    from dlw.cli.terminal import Terminal
    from dlw.verbs.predict import predict

    add_code(code)
    with Terminal(quiet) as listener:
        result = predict(target, inputs, output=output, listener=listener)
    if as_json:
        emit(result.to_json())
    else:
        _draw(result)


def _draw(result: Predictions) -> None:
    tell(str(result))
