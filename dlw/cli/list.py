"""`dlw list`: what a recipe can name, room by room, and the installed recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlw import registry
from dlw.cli.options import AsJson, Code, add_code
from dlw.cli.screen import add_row, draw, emit, table
from dlw.errors import UsageError, did_you_mean

RECIPES = "recipes"


def list_cli(
    room: Annotated[str | None, typer.Argument(metavar="ROOM", help="One room, such as models or recipes.")] = None,
    code: Code = None,
    as_json: AsJson = False,
) -> None:
    """List what a recipe can name, and the recipes.

    \b
    dlw list models
    dlw list recipes
    """
    add_code(code)
    rooms = (*registry.ROOMS, RECIPES)
    if room is not None and room not in rooms:
        raise UsageError(f"no room is called {room}{did_you_mean(room, rooms)} (there are {', '.join(rooms)})")
    found = {name: _words(name) for name in ([room] if room else rooms)}
    if as_json:
        emit(found)
        return
    rows = table("room", "name", "what it is")
    for name, words in found.items():
        for number, (word, text) in enumerate(words.items()):
            add_row(rows, "" if number else name, word, text)
    draw(rows)


def _words(room: str) -> dict[str, str]:
    if room == RECIPES:
        return {name: _first_comment(path) for name, path in installed_recipes().items()}
    return {name: registry.summary(room, name) for name in registry.names(room)}


def installed_recipes() -> dict[str, Path]:
    """Return name -> file of the recipes that come with dlw, sorted by name."""
    package = Path(__file__).parent.parent
    folder = package / "_recipes" if (package / "_recipes").is_dir() else package.parent / "recipes"
    return {path.stem: path for path in sorted(folder.rglob("*.yaml"), key=lambda path: path.stem)}


def _first_comment(path: Path) -> str:
    """Return what a recipe says of itself in its first line."""
    with path.open(encoding="utf-8") as lines:
        first = lines.readline().strip()
    return first.removeprefix("#").strip() if first.startswith("#") else ""
