"""`dlw benchmark`: how fast a run, a bundle or a recipe is on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlw.cli.options import AsJson, Code, Quiet, add_code
from dlw.cli.screen import emit, tell
from dlw.errors import UsageError

if TYPE_CHECKING:
    from dlw.verbs.benchmark import BenchmarkResult


def benchmark_cli(
    target: Annotated[str, typer.Argument(metavar="RUN|BUNDLE|RECIPE", help="What to measure.")],
    batch_sizes: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Rows per call [default: the recipe's, else 1,64].")
    ] = None,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="Keep the figures as JSON.")] = None,
    against: Annotated[Path | None, typer.Option(metavar="FILE", help="Compare with figures kept before.")] = None,
    max_regression: Annotated[
        str | None, typer.Option(metavar="PERCENT", help="With --against: exit 9 if slower by more, such as 10%.")
    ] = None,
    code: Code = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure a run, a bundle or a recipe.

    Latency, throughput, memory and size of a run or bundle; the training speed of a recipe.

    \b
    dlw benchmark runs/digits-1/exports/onnx --save today.json
    dlw benchmark digits
    """
    from dlw.cli.terminal import Terminal
    from dlw.verbs.benchmark import benchmark

    add_code(code)
    with Terminal(quiet) as listener:
        result = benchmark(
            target,
            batch_sizes=_sizes(batch_sizes),
            save=save,
            against=against,
            max_regression=_fraction(max_regression),
            listener=listener,
        )
    if as_json:
        emit(result.to_json())
    else:
        _draw(result)


def _sizes(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        sizes = [int(word) for word in text.split(",")]
    except ValueError:
        sizes = []
    if not sizes or min(sizes) < 1:
        raise UsageError(f"--batch-sizes {text}: expected whole numbers of at least 1, such as 1,64")
    return sizes


def _fraction(text: str | None) -> float | None:
    """Read `10%` or `0.1`."""
    if text is None:
        return None
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 10:
        raise UsageError(f"--max-regression {text}: expected a share such as 10% or 0.1")
    return value


def _draw(result: BenchmarkResult) -> None:
    tell(str(result))
