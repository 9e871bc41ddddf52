"""`dlw export`: a run as an artifact that predicts without dlw's training code, proven equal."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlw.cli.options import AsJson, Code, Quiet, add_code
from dlw.cli.screen import emit, say, tell
from dlw.errors import UsageError

if TYPE_CHECKING:
    from dlw.verbs.export import Exported


def export_cli(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, such as runs/digits-1.")],
    format: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="As `dlw list exporters` shows [default: the recipe's, else onnx]."),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The bundle [default: RUN/exports/FORMAT].")] = None,
    tolerance: Annotated[
        str | None, typer.Option(metavar="X", help="Largest accepted difference from the network.")
    ] = None,
    quantize: Annotated[
        str | None, typer.Option(metavar="int8", help="Weights and activations of 8 bits, judged on validation rows.")
    ] = None,
    max_score_loss: Annotated[
        str | None, typer.Option(metavar="POINTS", help="Most that the score may lose by --quantize [default: 0.5].")
    ] = None,
    min_agreement: Annotated[
        str | None, typer.Option(metavar="SHARE", help="Least share of rows with the same answer [default: 0.98].")
    ] = None,
    min_speedup: Annotated[
        str | None, typer.Option(metavar="TIMES", help="How many times as fast it must be [default: no limit].")
    ] = None,
    code: Code = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Turn a run into one artifact, proven equal.

    Real rows go through the network and through the artifact; it is kept only if both answer alike.

    \b
    dlw export runs/digits-1
    dlw export runs/digits-1 --quantize int8 --min-speedup 1.5
    """
    from dlw.cli.terminal import Terminal
    from dlw.verbs.export import export

    add_code(code)
    limits = {
        "max_score_loss": _number("--max-score-loss", max_score_loss),
        "min_agreement": _number("--min-agreement", min_agreement),
        "min_speedup": _number("--min-speedup", min_speedup),
    }
    with Terminal(quiet) as listener:
        result = export(
            run,
            format=format,
            out=out,
            tolerance=_number("--tolerance", tolerance),
            quantize=quantize,
            limits={name: value for name, value in limits.items() if value is not None},
            listener=listener,
        )
    if as_json:
        emit(result.to_json())
    else:
        tell(str(result))
        if not quiet:
            _say_next(result)


def _number(option: str, text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        raise UsageError(f"{option} {text}: expected a number such as 1e-4") from None


def _say_next(result: Exported) -> None:
    """Say what can be done with the bundle."""
    bundle = shlex.quote(str(result.folder))
    if result.is_opened_again:
        say(f"next:\n  dlw predict {bundle} INPUT...\n  dlw benchmark {bundle}")
    else:
        say(f"next: {bundle}/README.md shows how to answer from it")
