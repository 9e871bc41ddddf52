"""Options that several commands share, so that they read and behave alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Sets = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="PATH=VALUE", help="Change a value of the recipe, in YAML; repeatable."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results and warnings only.")]
Code = Annotated[
    list[Path] | None,
    typer.Option("--code", metavar="FILE", help="Add a plug-in file ROOM/NAME.py of your own; repeatable."),
]


def add_code(files: list[Path] | None) -> None:
    """Register the plug-in files named by `--code`; their code runs when a recipe names them."""
    from dlw import registry

    for file in files or ():
        registry.add_code(file)
