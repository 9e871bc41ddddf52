"""`dlw evaluate`: judge a run on rows it has not learned from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlw.cli.options import AsJson, Code, Quiet, add_code
from dlw.cli.screen import emit, tell

if TYPE_CHECKING:
    from dlw.verbs.evaluate import Evaluation


def evaluate_cli(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, such as runs/digits-1.")],
    split: Annotated[str, typer.Option(help="Split of the recipe's data to judge on.")] = "test",
    data: Annotated[Path | None, typer.Option(metavar="PATH", help="Judge on these rows instead of a split.")] = None,
    slices: Annotated[
        list[str] | None,
        typer.Option("--slice", metavar="COLUMN", help="Score each value of a column; repeatable."),
    ] = None,
    require: Annotated[
        list[str] | None, typer.Option(metavar="CONDITION", help='Exit 9 unless "accuracy >= 0.9", say; repeatable.')
    ] = None,
    code: Code = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Score a run, beside a plain baseline.

    \b
    dlw evaluate runs/digits-1
    dlw evaluate runs/adult-1 --slice sex --require "accuracy >= 0.86"
    """
    from dlw.cli.terminal import Terminal
    from dlw.verbs.evaluate import evaluate

    add_code(code)
    with Terminal(quiet) as listener:
        result = evaluate(run, split=split, data=data, slices=slices or (), require=require or (), listener=listener)
    if as_json:
        emit(result.to_json())
    else:
        _draw(result)


def _draw(result: Evaluation) -> None:
    tell(str(result))
