"""`dlw predict`: answers for new rows, from a run or an exported bundle."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlw.cli._conversation import converse
from dlw.cli._devices import run_together, several
from dlw.cli.explain import draw_reasons, reasons_for, refuse_stdin
from dlw.cli.options import AsJson, Code, Devices, Quiet, Threads, add_code, readable, whole
from dlw.cli.screen import add_row, draw, emit, figure, say, screen_width, table, tell
from dlw.ranks import is_first

if TYPE_CHECKING:
    from dlw.verbs.explain import RowReasons
    from dlw.verbs.predict import Predictions

Inputs = Annotated[
    list[str] | None, typer.Argument(metavar="[INPUT...]", help="Files, folders, globs, or - for stdin.")
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write .parquet, .csv or .jsonl instead; .json: detections as COCO results.",
    ),
]
Text = Annotated[
    list[str] | None, typer.Option(metavar="TEXT", help="Answer this text, for models that read one text; repeatable.")
]
Index = Annotated[
    list[str] | None,
    typer.Option(metavar="INPUT", help="Answer with the nearest rows of these files or folders; repeatable."),
]
Keep = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN", help="Repeat an input column beside the answers; repeatable.")
]
Draws = Annotated[
    Path | None,
    typer.Option("--draw", metavar="FOLDER", help="Draw the answers over pictures (PNG) or series (SVG)."),
]
Explain = Annotated[
    str | None,
    typer.Option(
        metavar="[METHOD]",
        help="Say why, too, as `dlw explain` does; alone: by the first method that fits. --draw draws the reasons.",
    ),
]
Interactive = Annotated[
    bool, typer.Option("--interactive", help="Write texts for what you type, line by line; an empty line ends it.")
]
Style = Annotated[
    list[str] | None,
    typer.Option(
        "--set", "-s", metavar="NAME=VALUE", help="Change how a text is written: temperature=0.7; repeatable."
    ),
]
Tiled = Annotated[bool, typer.Option("--tile", help="Answer pictures larger than those of training tile by tile.")]
Matches = Annotated[str, typer.Option("--matches", metavar="NUMBER", help="How many of --index to show for each row.")]

_MOST_ROWS = 30
_MOST_NUMBERS = 3
"""Of a vector, so many are shown on a terminal."""


def predict_cli(
    context: typer.Context,
    target: Annotated[Path, typer.Argument(metavar="RUN|BUNDLE", help="A run directory or an exported bundle.")],
    inputs: Inputs = None,
    text: Text = None,
    output: Output = None,
    keep: Keep = None,
    draws: Draws = None,
    index: Index = None,
    matches: Matches = "5",
    tiled: Tiled = False,
    sets: Style = None,
    interactive: Interactive = False,
    explain: Explain = None,
    threads: Threads = None,
    devices: Devices = None,
    code: Code = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Answer for new rows: tables, pictures or texts. A model of one text reads lines of text from stdin.
    On a terminal the first answers are shown as a table; a pipe gets all of them as CSV.

    \b
    dlw predict runs/digits-1 digit.png
    dlw predict runs/adult-1/exports/onnx people.csv -o answers.csv
    dlw predict runs/camvid-1 street/ -o streets.parquet --draw drawn/
    dlw predict runs/sst2-1 --text "a quiet, moving film" --explain
    dlw predict runs/play-1 --text "ROMEO:" -s temperature=0.7
    """
    from dlw.cli.terminal import Terminal
    from dlw.verbs._together import together
    from dlw.verbs.predict import predict

    if processes := several(devices):
        raise typer.Exit(run_together(context.obj, processes, reads_stdin=interactive or "-" in (inputs or ())))
    add_code(code)
    text, number = readable(text), whole("--threads", threads)
    beside = (inputs, output, keep, draws, index, tiled, explain, as_json)
    if converse(target, text, sets or (), number, quiet, is_asked=interactive, is_alone=not any(beside)):
        return
    refuse_stdin(inputs or (), explain)
    with Terminal(quiet) as listener, together(listener) as team:
        result = predict(
            target,
            inputs or (),
            text=text,
            output=output,
            keep=keep or (),
            draw=None if explain else draws,
            index=index or (),
            matches=whole("--matches", matches, high=10**6) or 0,
            is_tiled=tiled,
            sets=sets or (),
            threads=number,
            listener=listener,
            team=team,
        )
        reasons = reasons_for(target, inputs or (), text, explain, draws, listener)
    _show(result, reasons, as_json)


def _show(result: Predictions, reasons: RowReasons | None, as_json: bool) -> None:
    """The answers, then their reasons; as one object where JSON is asked for; of several processes, by the first."""
    if not is_first():
        return
    if as_json:
        emit(result.to_json() | ({"reasons": reasons.to_json()} if reasons else {}))
        return
    _draw(result)
    if reasons:
        draw_reasons(reasons)


def _draw(result: Predictions) -> None:
    """A table of the first rows on a terminal, every row as CSV in a pipe."""
    if result.output is not None:
        say(f"{result.num_rows:,} rows answered: {result.output}")
        return
    if not sys.stdout.isatty():
        from dlw.verbs._tables import table_bytes

        tell(table_bytes(result.columns, ".csv").decode("utf-8").rstrip("\n"))
        return
    shown = {name: [_short(value) for value in values[:_MOST_ROWS]] for name, values in result.columns.items()}
    if len(set(result.columns.get("file", ()))) == 1:
        del shown["file"]
    fitting = _fitting(shown, screen_width())
    rows = table(*fitting)
    for cells in zip(*fitting.values(), strict=True):
        add_row(rows, *cells)
    draw(rows)
    if result.num_rows > _MOST_ROWS:
        say(f"... and {result.num_rows - _MOST_ROWS:,} more rows: -o FILE keeps all")
    if len(fitting) < len(shown):
        say(f"too wide to show: {', '.join(name for name in shown if name not in fitting)}")


def _fitting(columns: dict[str, list[str]], width: int) -> dict[str, list[str]]:
    """Return the first columns that fit side by side, at least two."""
    fitting: dict[str, list[str]] = {}
    for name, cells in columns.items():
        width -= max(len(text) for text in (name, *cells)) + 2
        if width < 0 and len(fitting) >= 2:
            break
        fitting[name] = cells
    return fitting


def _short(value: Any) -> str:
    if isinstance(value, list) and len(value) > _MOST_NUMBERS and isinstance(value[0], float):
        return f"{', '.join(map(figure, value[:_MOST_NUMBERS]))}, ... ({len(value)} numbers)"
    if isinstance(value, dict) and isinstance(value.get("bytes"), bytes):
        return f"PNG of {len(value['bytes']):,} bytes"
    return figure(value) if isinstance(value, float) else "" if value is None else str(value)
