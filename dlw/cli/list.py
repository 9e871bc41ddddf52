"""`dlw list`: what a recipe can name, room by room, and the installed recipes."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Annotated

import typer

from dlw.cli.options import AsJson, Code, add_code
from dlw.cli.screen import cell, emit, screen_width, tell
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
    from dlw import registry

    add_code(code)
    rooms = (*registry.ROOMS, RECIPES)
    if room is not None and room not in rooms:
        raise UsageError(f"no room is called {room}{did_you_mean(room, rooms)} (there are {', '.join(rooms)})")
    found = {name: _words(name) for name in ([room] if room else rooms)}
    if as_json:
        emit(found)
        return
    for name, words in found.items():
        tell(name)
        _tell_words(words)


def _words(room: str) -> dict[str, str]:
    from dlw import registry

    if room == RECIPES:
        from dlw.recipe.find import installed_recipes

        return {name: _first_comment(path) for name, path in installed_recipes().items()}
    return {name: registry.summary(room, name) for name in registry.names(room)}


def _tell_words(words: dict[str, str]) -> None:
    """Print names beside what they are, folded to the terminal; without rich, whose import takes half the time."""
    width = screen_width()
    indent = " " * (max((len(word) for word in words), default=0) + 4)
    if len(indent) > width // 2:
        indent = "    "
    for word, text in words.items():
        lines = textwrap.wrap(cell(text), width - len(indent)) or [""]
        name = f"  {word}".ljust(len(indent))
        if len(name) > len(indent):
            tell(name)
            name = indent
        tell(f"{name}{lines[0]}".rstrip())
        for line in lines[1:]:
            tell(indent + line)


def _first_comment(path: Path) -> str:
    """Return what a recipe says of itself in its first line."""
    with path.open(encoding="utf-8") as lines:
        first = lines.readline().strip()
    return first.removeprefix("#").strip() if first.startswith("#") else ""
