"""`--devices N`: the same command line again, in N processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dlw.cli.options import whole, without
from dlw.errors import UsageError

if TYPE_CHECKING:
    from dlw.cli.terminal import Terminal

OPTIONS = ("--devices", "--restarts")


@dataclass(frozen=True)
class Asked:
    """What a training was asked for, as far as the process that starts the others needs it."""

    recipe: str | None
    changes: Sequence[str]
    is_sandboxed: bool
    code: Sequence[Path]
    out: Path | None
    run: Path | None
    """The run that is continued."""
    is_dry: bool
    words: Sequence[str]
    """The whole command line."""


def several(devices: str | None) -> int:
    """Return how many processes `--devices` asks for, 0 for this one alone."""
    processes = whole("--devices", devices) or 1
    if processes > 1:
        from dlw.verbs.launch import refuse_nested

        refuse_nested(processes)
    return processes if processes > 1 else 0


def run_together(words: Sequence[str], processes: int, *, reads_stdin: bool = False) -> int:
    """Run a command line in several processes and return the exit code."""
    from dlw.verbs.launch import launch

    if reads_stdin:
        raise UsageError("--devices: several processes cannot share stdin; name files, or leave --devices out")
    return launch(without(words, *OPTIONS), processes)


def train_together(asked: Asked, processes: int, restarts: str | None, listener: Terminal) -> int:
    """Check a training, make its run directory, and train in several processes; return the exit code."""
    from dlw.runs.layout import Run
    from dlw.verbs.launch import launch, restarted

    again = whole("--restarts", restarts, low=0) or 0
    if not processes:
        raise UsageError("--restarts: has no effect in one process; give --devices, or let torchrun restart")
    if asked.is_dry:
        raise UsageError("--dry-run tries a recipe in one process: leave --devices out")
    folder = asked.run or _new_run(asked, processes)
    kept = without(asked.words, *OPTIONS)
    first = kept if asked.run or asked.out else [*kept, "--out", str(folder)]
    flags = [word for word in ("--json", "--quiet", "-q") if word in asked.words]
    flags += [word for file in asked.code for word in ("--code", str(file))]

    def attempt(is_another: bool) -> int:
        has_begun = is_another and Run(folder).recipe.exists()
        return launch(["train", "--resume", str(folder), *flags] if has_begun else first, processes)

    with listener:
        return restarted(attempt, again, listener)


def _new_run(asked: Asked, processes: int) -> Path:
    """Check the recipe once, without torch, and return the folder of its new run."""
    from dlw import registry
    from dlw.recipe.check import load_recipe
    from dlw.runs.layout import create_run
    from dlw.verbs._together import refuse_unequal

    for file in asked.code:
        registry.add_code(file)
    assert asked.recipe is not None
    recipe = load_recipe(asked.recipe, asked.changes, is_sandboxed=asked.is_sandboxed).recipe
    refuse_unequal(recipe, processes)
    return create_run(recipe.name, asked.out).folder
