"""`dlw explain`: why a run answers rows as it does, or what each of its inputs is worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlw.cli.main import AUTO
from dlw.cli.options import AsJson, Code, Quiet, add_code, readable, whole
from dlw.cli.screen import add_row, draw, emit, figure, say, table, tell
from dlw.errors import UsageError
from dlw.ranks import is_first

if TYPE_CHECKING:
    from dlw.progress import Listener
    from dlw.verbs._reasons import RowReason
    from dlw.verbs.explain import InputWorth, RowReasons

STDIN = "-"
MOST = "20"
_MOST_LINES = 12
"""Columns and tokens that are shown of a row, those that say most."""

Method = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="As `dlw list explainers` shows [default: the first that fits; without rows permutation]."
    ),
]
Of = Annotated[
    str | None,
    typer.Option("--class", metavar="NAME", help="Explain this class, label or target [default: the answer]."),
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="NAME=VALUE", help="Change an option of the method; repeatable."),
]
Split = Annotated[
    str | None, typer.Option(help="Rows to measure on [default: test], or that a row is compared with [train].")
]
Data = Annotated[Path | None, typer.Option(metavar="PATH", help="Such rows, instead of a split.")]
Metric = Annotated[
    str | None, typer.Option(metavar="NAME", help="What losing an input is measured by [default: as evaluate].")
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FOLDER", help="Numbers and drawings [default: RUN/explanations]."),
]


def explain_cli(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    inputs: Annotated[
        list[str] | None, typer.Argument(metavar="[INPUT...]", help="Files, folders, globs, or - for stdin.")
    ] = None,
    text: Annotated[list[str] | None, typer.Option(metavar="TEXT", help="Explain this text; repeatable.")] = None,
    method: Method = None,
    of: Of = None,
    split: Split = None,
    data: Data = None,
    metric: Metric = None,
    most: Annotated[str, typer.Option("--most", metavar="NUMBER", help="Rows that are explained.")] = MOST,
    sets: Sets = None,
    output: Output = None,
    code: Code = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say why rows are answered as they are.

    What speaks for the answer, what against it, and how much. Without rows: what each input is worth, by how much worse
    a split is answered when it is shuffled.

    \b
    dlw explain runs/digits-1 digit.png
    dlw explain runs/digits-1 digit.png --method grad_cam --class 3
    dlw explain runs/sst2-1 --text "a quiet, moving film"
    dlw explain runs/adult-1 people.csv -o why/
    dlw explain runs/adult-1
    """
    from dlw.cli.terminal import Terminal
    from dlw.verbs.explain import RowReasons, explain_rows, explain_split

    add_code(code)
    number = whole("--most", most, high=10**6) or 0
    idle = {"--metric": metric} if inputs or text else {"--class": of, "--most": None if most == MOST else most}
    for option, value in idle.items():
        if value is not None:
            raise UsageError(
                f"{option} {value}: has no effect {'where' if inputs or text else 'unless'} rows are given"
            )
    if split is not None and data is not None:
        raise UsageError(f"--split {split}: has no effect beside --data {data}")
    folder = output or run / "explanations"
    asked: dict[str, Any] = {"name": method, "split": split, "data": data, "sets": sets or (), "output": folder}
    with Terminal(quiet) as listener:
        if inputs or text:
            asked |= {"text": readable(text), "of": of, "most": number}
            found: RowReasons | InputWorth = explain_rows(run, inputs or (), **asked, listener=listener)
        else:
            found = explain_split(run, metric=metric, **asked, listener=listener)
    if as_json:
        emit(found.to_json())
        return
    if isinstance(found, RowReasons):
        draw_reasons(found)
    else:
        _draw_worth(found)
    say(f"written: {folder}")


def reasons_for(
    target: Path,
    inputs: Sequence[str],
    text: Sequence[str],
    method: str | None,
    folder: Path | None,
    listener: Listener,
) -> RowReasons | None:
    """Return the reasons that `dlw predict --explain` shows beside its answers; of several processes, in the first."""
    if method is None or not is_first():
        return None
    from dlw.verbs.explain import explain_rows

    name = None if method == AUTO else method
    return explain_rows(target, inputs, text=text, name=name, output=folder, listener=listener)


def refuse_stdin(inputs: Sequence[str], method: str | None) -> None:
    """Raise UsageError where rows for answers and reasons would come from stdin."""
    if method is not None and STDIN in inputs:
        raise UsageError("--explain: rows from stdin can be read once only; give a file")


def draw_reasons(found: RowReasons) -> None:
    """One block per row: what is explained, the columns and tokens that say most, and where maps are drawn."""
    for row in found.rows:
        base = "" if row.base is None else f" from a base of {figure(row.base)}"
        tell(f"{row.file}, row {row.row}: {row.of}")
        tell(f"{found.unit} {figure(row.score)}{base}; by {row.method}")
        lines = sorted(_lines(row), key=lambda line: -abs(line[-1]))
        if lines:
            shown = table("input", "value", "for it", numeric=("for it",))
            for name, given, value in lines[:_MOST_LINES]:
                add_row(shown, name, _shown(given), f"{value:+.3g}")
            draw(shown)
        if len(lines) > _MOST_LINES:
            tell(f"and {len(lines) - _MOST_LINES} more")
        for name, one in row.inputs.items():
            if one.drawing:
                tell(f"{name}: {one.drawing}")
        tell("")
    if found.left_out:
        say(f"{found.left_out:,} more rows are not explained: --most NUMBER")


def _lines(row: RowReason) -> Iterator[tuple[str, Any, float]]:
    """Yield what can be said in words: columns with their values, tokens with their places."""
    for group, one in row.inputs.items():
        if one.kind == "tokens":
            yield from (
                (f"{group} {place}", name, float(value))
                for place, (name, value) in enumerate(zip(one.names, one.values, strict=True))
            )
        elif one.given:
            yield from (
                (name, given, float(value)) for name, given, value in zip(one.names, one.given, one.values, strict=True)
            )


def _shown(given: Any) -> str:
    return "missing" if given is None else figure(given) if isinstance(given, float) else str(given)


def _draw_worth(found: InputWorth) -> None:
    tell(f"{found.metric} {figure(found.score)} on {found.rows:,} rows of {found.split}; by {found.method}")
    shown = table("without", f"{found.metric} is worse by", "95 % interval", numeric=(f"{found.metric} is worse by",))
    for one in found.inputs:
        add_row(shown, one.name, figure(one.value), f"{figure(one.low)} to {figure(one.high)}")
    draw(shown)
