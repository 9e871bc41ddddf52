"""`dlw evaluate`: judge a run on rows it has not learned from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlw.cli._devices import run_together, several
from dlw.cli.options import AsJson, Code, Devices, Quiet, add_code
from dlw.cli.screen import add_row, draw, emit, figure, say, table, tell
from dlw.errors import RequirementError

if TYPE_CHECKING:
    from dlw.verbs._scores import Gap, Group


def evaluate_cli(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, such as runs/digits-1.")],
    split: Annotated[str, typer.Option(help="Split of the recipe's data to judge on.")] = "test",
    data: Annotated[Path | None, typer.Option(metavar="PATH", help="Judge on these rows instead of a split.")] = None,
    slices: Annotated[
        list[str] | None,
        typer.Option("--slice", metavar="COLUMN", help="Score each value of a column; repeatable."),
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION", help='Exit 9 unless "accuracy >= 0.9" or "max_gap(tpr, sex) <= 0.1"; repeatable.'
        ),
    ] = None,
    devices: Devices = None,
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
    from dlw.verbs._together import together
    from dlw.verbs.evaluate import assist, evaluate

    if processes := several(devices):
        raise typer.Exit(run_together(context.obj, processes))
    add_code(code)
    with Terminal(quiet) as listener, together(listener) as team:
        if team and not team.is_first:
            assist(run, team, split=split, data=data)
            return
        try:
            result = evaluate(
                run, split=split, data=data, slices=slices or (), require=require or (), listener=listener, team=team
            )
        except RequirementError as error:
            if not as_json:
                _draw(error.result)
            raise
    if as_json:
        emit(result.to_json())
    else:
        _draw(result)


def _draw(result: Any) -> None:
    """Scores beside the baselines, then parts and slices, then requirements and the protocol in words."""
    tell(f"{result.run}, step {result.step:,}, {result.rows:,} {result.unit} of {result.split}")
    names = [fit.name for fit in result.baselines]
    rows = table("metric", "network", "95 % interval", *names, numeric=("network", *names))
    for score in result.scores:
        beside = [figure(score.baselines[name].score.value) if name in score.baselines else "" for name in names]
        add_row(rows, score.metric, figure(score.value), _interval(score.low, score.high), *beside)
    draw(rows)
    if result.reliability is not None and result.reliability.temperature is not None:
        told = f"at temperature {figure(result.reliability.temperature)}: ece {figure(result.reliability.ece)}"
        tell(f"{told}, without it {figure(result.reliability.ece_before)}")
    _draw_groups("target", result.parts)
    _draw_groups("slice", result.slices)
    _draw_gaps(result.gaps)
    for verdict in result.requirements:
        tell(f"{'met' if verdict.is_met else 'NOT MET'}: {verdict.text} (found {figure(verdict.value)})")
    for sentence in result.protocol:
        tell(f"  {sentence}")
    say(f"written: {result.folder}")


def _draw_groups(title: str, groups: Sequence[Group]) -> None:
    if not groups:
        return
    names = list(groups[0].scores)
    rows = table(title, "rows", *names, "95 % interval", numeric=("rows", *names))
    for group in groups:
        name = f"{group.column} = {group.value}" if group.column else group.value
        first = group.scores[names[0]]
        values = [figure(group.scores[metric].value) for metric in names]
        few = " (few rows)" if group.is_small else ""
        add_row(rows, name, f"{group.rows:,}", *values, _interval(first.low, first.high) + few)
    tell("")
    draw(rows)


def _draw_gaps(gaps: Sequence[Gap]) -> None:
    """How far the groups of each column lie apart, by what fairness calls it where it has a name for it."""
    if not gaps:
        return
    rows = table("largest gap", "in", "difference", "95 % interval", "highest", "lowest", "", numeric=("difference",))
    for gap in gaps:
        found = gap.difference
        ends = _interval(found.low, found.high)
        add_row(rows, gap.metric, gap.column, figure(found.value), ends, gap.highest, gap.lowest, gap.name)
    tell("")
    draw(rows)


def _interval(low: float, high: float) -> str:
    return "" if math.isnan(low) else f"{figure(low)} to {figure(high)}"
