"""From an exception to an exit code and to what the user reads; the JSON form of an error is made here too."""

from __future__ import annotations

import os
from typing import Any

from dlw.cli.screen import caution, emit, say
from dlw.errors import (
    SECRET,
    DistributedError,
    DlwError,
    Problem,
    RecipeError,
    RequirementError,
    ResourceError,
    UsageError,
    out_of_memory,
)
from dlw.ranks import find_place, is_first

_MOST_PROBLEMS = 10
_CODES = {2: "usage", 3: "data", 4: "run", 5: "non-finite", 6: "resource", 7: "in-use", 8: "distributed", 9: "require"}


def report(error: DlwError, as_json: bool) -> int:
    """Print a deliberate error, unless another process of a team speaks of it, and return its exit code."""
    if not _speaks(error):
        return error.exit_code
    if as_json:
        found: Any = error.result if isinstance(error, RequirementError) else None
        emit({**(found.to_json() if found is not None else {}), "error": _as_json(error)})
    elif isinstance(error, RecipeError):
        _print_problems(error.problems)
    elif error.exit_code >= 128:
        say(str(error))
    else:
        caution("error", str(error))
    return error.exit_code


def _speaks(error: DlwError) -> bool:
    """Say whether this process tells of an error: rank 0 does, the next one where that is gone; of the loss of a
    process that `--devices` started, the one that started it.
    """
    try:
        place = find_place()
    except UsageError:
        place = None
    if place is None:
        return True
    if not isinstance(error, DistributedError) or error.exit_code != DistributedError.exit_code:
        return place.rank == 0
    return place.launcher is None and place.rank == (1 if error.rank == 0 else 0)


def report_bug(error: BaseException, as_json: bool) -> int:
    """Print the traceback of an error that nobody foresaw and ask for a report."""
    import traceback

    from dlw import __version__

    if as_json and is_first():
        emit({"error": {"kind": "bug", "exit_code": 1, "message": f"{type(error).__name__}: {error}"}})
    say("".join(traceback.format_exception(error)).rstrip())
    say(f"\nThis is a bug in dlw {__version__}. Please report the lines above together with the command.")
    return 1


def as_resource_error(error: BaseException) -> ResourceError | None:
    """Return the ResourceError behind a full disk, a forbidden path or exhausted memory; None for anything else."""
    if (memory := out_of_memory(error)) is not None:
        return memory
    if isinstance(error, OSError):
        path = f"{error.filename}: " if error.filename else ""
        return ResourceError(f"{path}{error.strerror or error}{_owner(error.filename)}")
    return None


def _owner(path: object) -> str:
    if not isinstance(path, str | os.PathLike):
        return ""
    try:
        found = os.stat(path)
    except OSError:
        return ""
    return f" (owner {found.st_uid}, mode {found.st_mode & 0o7777:o})"


def _as_json(error: DlwError) -> dict[str, Any]:
    kind = "recipe" if isinstance(error, RecipeError) else _CODES.get(error.exit_code, "interrupted")
    found: dict[str, Any] = {"kind": kind, "exit_code": error.exit_code, "message": str(error)}
    if isinstance(error, RecipeError):
        found["problems"] = [
            {"file": item.file, "line": item.line, "column": item.column, "path": item.path, "message": item.message}
            for item in error.problems
        ]
    return found


def _print_problems(problems: tuple[Problem, ...]) -> None:
    secret_lines = {(item.file, item.line) for item in problems if item.message.startswith(SECRET)}
    for number, problem in enumerate(problems[:_MOST_PROBLEMS]):
        say(str(problem))
        if number == 0 and "\n" not in problem.message and (problem.file, problem.line) not in secret_lines:
            _point_at(problem)
    if len(problems) > _MOST_PROBLEMS:
        say(f"... and {len(problems) - _MOST_PROBLEMS} more")


def _point_at(problem: Problem) -> None:
    """Show the source line with a caret under the column."""
    import linecache

    line = linecache.getline(problem.file, problem.line).rstrip() if problem.line else ""
    if line and len(line) <= 200:
        say(f"    {line}".replace("\t", " "))
        say(" " * (3 + max(problem.column, 1)) + "^")
