"""`dlw train`: learn what a recipe says."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlw.cli._devices import Asked, several, train_together
from dlw.cli.main import LATEST
from dlw.cli.options import AsJson, CacheFolder, Code, Devices, Quiet, Sandbox, Sets
from dlw.cli.screen import emit, figure, say
from dlw.errors import RunError, UsageError
from dlw.progress import size_text
from dlw.ranks import is_first

if TYPE_CHECKING:
    from dlw.verbs.train import TrainResult

RUNS = Path("runs")

Recipe = Annotated[str | None, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of an installed one.")]
Device = Annotated[
    str | None, typer.Option(metavar="NAME", help="Short for --set train.device=NAME: cpu, cuda:1, mps.")
]
Inexact = Annotated[
    bool,
    typer.Option(
        "--allow-inexact", help="Resume although versions, threads, kernels or the number of processes changed."
    ),
]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="The run directory [default: runs/NAME-N].")]
Resume = Annotated[
    str | None, typer.Option(metavar="[RUN]", help="Continue this run, or the newest, where it stopped.")
]
Restarts = Annotated[
    str | None,
    typer.Option(metavar="N", help="With --devices: go on from the last checkpoint when a process dies, N times."),
]


def train_cli(
    context: typer.Context,
    recipe: Recipe = None,
    out: Out = None,
    resume: Resume = None,
    sets: Sets = None,
    device: Device = None,
    threads: Annotated[str | None, typer.Option(metavar="N", help="Short for --set train.threads=N.")] = None,
    workers: Annotated[str | None, typer.Option(metavar="N", help="Short for --set train.workers=N.")] = None,
    devices: Devices = None,
    restarts: Restarts = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="One batch through everything, then estimates.")] = False,
    allow_inexact: Inexact = False,
    cache: CacheFolder = None,
    sandbox: Sandbox = False,
    code: Code = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a network as a recipe says; keep the run.

    Under torchrun, srun or a PyTorchJob the processes find one another.

    \b
    dlw train digits
    dlw train digits --devices 2
    dlw train my.yaml -s optimizer.lr=1e-3 -s train.epochs=5
    """
    from dlw.cli.terminal import Terminal
    from dlw.verbs.train import train

    changes = [*(sets or ())]
    for key, value in (("device", device), ("threads", threads), ("workers", workers)):
        if value is not None:
            changes.append(f"train.{key}={value}")
    run = _run_to_resume(recipe, resume, out)
    if run is not None and sandbox:
        raise UsageError("--sandbox is for recipes, and a run names its data by whole paths: leave one of the two out")
    if run is None and recipe is None:
        raise UsageError("which recipe? `dlw train digits`, say; `dlw list recipes` shows what is ready to run")
    if (processes := several(devices)) or restarts is not None:
        asked = Asked(recipe, changes, sandbox, code or (), out, run, dry_run, context.obj)
        raise typer.Exit(train_together(asked, processes, restarts, Terminal(quiet)))
    with Terminal(quiet) as listener:
        result = train(
            recipe,
            out=out,
            resume=run,
            sets=changes,
            dry_run=dry_run,
            allow_inexact=allow_inexact,
            is_sandboxed=sandbox,
            code=code or (),
            cache=cache,
            listener=listener,
        )
    if is_first():
        emit(result.to_json()) if as_json else _draw_dry_run(result) if dry_run else _draw(result)
        if not (as_json or dry_run or quiet):
            _say_next(result)


def _run_to_resume(recipe: str | None, resume: str | None, out: Path | None) -> Path | None:
    """Return the run that `--resume` means: the one named, or `--out`, or the newest (of the recipe)."""
    if resume is None:
        return None
    if resume != LATEST:
        if recipe is not None:
            raise UsageError(f"{resume} continues by its own recipe: leave {recipe} out, or leave --resume out")
        return Path(resume)
    if out is not None:
        return out
    from dlw.runs.layout import latest_run, runs_in

    if recipe is not None:
        from dlw.recipe.check import load_recipe

        return latest_run(RUNS, load_recipe(recipe).recipe.name).folder
    found = runs_in(RUNS)
    if not found:
        raise RunError(f"--resume: there is no run in {RUNS.resolve()}; name one, or start one without --resume")
    return max(found, key=lambda run: run.checkpoints.stat().st_mtime).folder


def _draw(result: TrainResult) -> None:
    """Say what was reached."""
    from dlw.cli.screen import add_row, draw, table

    rows = table("", "")
    rows.show_header = False
    best = "" if result.best is None else f"{result.monitor} {figure(result.best)} at step {result.best_step}"
    add_row(rows, "best", best or "the last checkpoint (no validation split)")
    for name, value in result.validation.items():
        if name != result.monitor:
            add_row(rows, "", f"{name} {figure(value)}")
    add_row(rows, "trained", f"{result.step:,} steps, {result.epochs:.4g} epochs in {_duration(result.seconds)}")
    add_row(rows, "speed", f"{result.samples_per_second:,.0f} {result.unit}/s on {result.hardware}")
    add_row(rows, "run", result.run)
    draw(rows)


def _say_next(result: TrainResult) -> None:
    """Say which commands come next."""
    run = shlex.quote(result.run)
    say(f"next:\n  dlw evaluate {run}\n  dlw predict {run} INPUT...\n  dlw export {run}")


def _draw_dry_run(result: TrainResult) -> None:
    """Say what a whole run would take."""
    from dlw.cli.screen import add_row, draw, table

    estimate = result.dry_run
    rows = table("", "")
    rows.show_header = False
    add_row(rows, "parameters", f"{result.parameters:,}")
    add_row(rows, "rows", ", ".join(f"{split} {count:,}" for split, count in estimate["rows"].items()))
    add_row(rows, "inputs", ", ".join(f"{name} {shape}" for name, shape in estimate["inputs"].items()))
    add_row(rows, "steps", f"{result.total_steps:,}")
    add_row(rows, "time", f"about {_duration(estimate['seconds'])} on {result.hardware}")
    add_row(rows, "memory", f"at least {size_text(estimate['peak_memory_bytes'])}")
    draw(rows)
    say("trained, validated, saved and loaded a batch; nothing is kept")


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
