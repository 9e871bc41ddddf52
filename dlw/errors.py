"""Every deliberate error of dlw, and the exit code each one ends the command with.

DlwError
├── UsageError          2  the command line is wrong
├── RecipeError         2  the recipe is wrong: carries every problem found, each with file:line:column
├── DataError           3  the rows are wrong or missing
├── RunError            4  a run directory or bundle cannot be used
│   └── CheckpointError 4  a checkpoint cannot be trusted
├── NonFiniteError      5  training left the finite numbers
├── ResourceError       6  disk, memory, permission
├── RunInUseError       7  another process holds the run directory
├── DistributedError    8  a rank failed
├── RequirementError    9  a stated requirement is not met
└── Interrupted   129/130/143  stopped by SIGHUP/SIGINT/SIGTERM after saving

Anything else that escapes is a bug: exit code 1 and the only traceback a user ever sees.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


class DlwError(Exception):
    """A deliberate error: the message says where, what, and what to do."""

    exit_code = 1


class UsageError(DlwError):
    """The command line asks for something impossible."""

    exit_code = 2


SECRET = "recipes must not hold"
"""How a problem about a secret begins; the line it stands on is never shown."""


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong with a recipe. `line` and `column` count from 1; 0 means the place is not in a file."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return ": ".join(part for part in (place, self.path, self.message) if part)


class RecipeError(DlwError):
    """The recipe is wrong; `problems` holds everything found, in the order of the file."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class DataError(DlwError):
    """The rows cannot be used: a missing file or column, a value of the wrong type, too few rows."""

    exit_code = 3


class RunError(DlwError):
    """A run directory or bundle is missing, incomplete or of another version."""

    exit_code = 4


class CheckpointError(RunError):
    """A checkpoint is damaged, foreign, or does not fit the model."""


class NonFiniteError(DlwError):
    """The loss or a gradient became NaN or infinite."""

    exit_code = 5


class ResourceError(DlwError):
    """The disk is full, memory is short, or a path may not be written."""

    exit_code = 6


class RunInUseError(DlwError):
    """Another process holds the run directory's lock."""

    exit_code = 7


class DistributedError(DlwError):
    """Another process of a team failed: `rank`, where that is known; the exit code is its own, where it had one."""

    exit_code = 8

    def __init__(self, message: str, exit_code: int = 8, rank: int | None = None) -> None:
        super().__init__(message)
        self.exit_code, self.rank = exit_code, rank


class RequirementError(DlwError):
    """A `require` line or a regression limit is not met; `result` is what the verb found, already written."""

    exit_code = 9

    def __init__(self, message: str, result: object = None) -> None:
        super().__init__(message)
        self.result = result


class Interrupted(DlwError):  # noqa: N818 - it is an outcome, not a fault
    """A signal asked the run to stop; everything is saved."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


def out_of_memory(error: BaseException) -> ResourceError | None:
    """Return the ResourceError behind memory that ran out, whoever asked for it; None for anything else."""
    text = str(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in text:
        first = text.partition("\n")[0]
        return ResourceError(
            f"out of memory{f' ({first})' if first else ''}; "
            "a smaller batch helps (--set train.batch_size=...), and so does data.resident=false"
        )
    return None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` for the nearest known word, or an empty string."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""
