"""Options that several commands share, so that they read and behave alike."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from dlw.errors import UsageError

Sets = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="PATH=VALUE", help="Change a value of the recipe, in YAML; repeatable."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results and warnings only.")]
CacheFolder = Annotated[
    Path | None, typer.Option("--cache", metavar="DIR", help="Keep encoded rows there, and take them from there.")
]
Code = Annotated[
    list[Path] | None,
    typer.Option("--code", metavar="FILE", help="Add a plug-in file ROOM/NAME.py of your own; repeatable."),
]
Sandbox = Annotated[
    bool, typer.Option("--sandbox", help="Refuse data and `extends` outside the recipe's folder and DLW_DATA.")
]
Devices = Annotated[
    str | None, typer.Option("--devices", metavar="N", help="Share the work among N processes, each on its own device.")
]
Threads = Annotated[
    str | None,
    typer.Option("--threads", metavar="N", help="CPU threads [default: OMP_NUM_THREADS, or all cores]."),
]


def whole(option: str, text: str | None, low: int = 1, high: int = 1024) -> int | None:
    """Return the number behind an option's text; UsageError with the range if it is not one."""
    if text is None:
        return None
    number = int(text) if text.lstrip("-").isdecimal() else low - 1
    if not low <= number <= high:
        raise UsageError(f"{option} {text}: expected a whole number from {low} to {high}")
    return number


def readable(texts: Sequence[str] | None) -> list[str]:
    """Return texts of the command line, with U+FFFD for bytes that are no text, as in lines from stdin."""
    return [os.fsencode(text).decode("utf-8", "replace") for text in texts or ()]


def without(words: Sequence[str], *options: str) -> list[str]:
    """Return a command line without some options and their values."""
    kept = list(words)
    for option in options:
        while option in kept:
            place = kept.index(option)
            del kept[place : place + 2]
        kept = [word for word in kept if not word.startswith(f"{option}=")]
    return kept


def add_code(files: list[Path] | None) -> None:
    """Register the plug-in files named by `--code`; their code runs when a recipe names them."""
    from dlw import registry

    for file in files or ():
        registry.add_code(file)
