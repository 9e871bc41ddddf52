"""Rooms of plug-ins: the folder listing is the registry, the file name is the recipe word.

`names(room)` lists a room without importing anything; `load(room, name)` imports one plug-in. Installed packages add
plug-ins through entry points of the group `dlw.<room>`; files given by `--code FILE` on the command line join through
`add_code`. A recipe or a checkpoint can never add one.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from dlw.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ROOMS = ("sources", "fields", "augment", "models", "tasks", "metrics", "baselines", "exporters", "explainers")

_code_files: dict[tuple[str, str], Path] = {}


@cache
def _files(room: str) -> dict[str, Path]:
    folder = Path(__file__).parent / room
    return {path.stem: path for path in sorted(folder.glob("*.py")) if not path.stem.startswith("_")}


@cache
def _all_entry_points() -> list[EntryPoint]:
    # Reading every installed package's metadata takes time: once, and only when a room is listed.
    from importlib.metadata import distributions

    with_ours = [found for found in distributions() if "[dlw." in (found.read_text("entry_points.txt") or "")]
    return [point for found in with_ours for point in found.entry_points]


def _entry_points(room: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in _all_entry_points() if point.group == f"dlw.{room}"}


def names(room: str) -> list[str]:
    """Return the recipe words of a room, sorted; imports nothing."""
    added = {name for other, name in _code_files if other == room}
    return sorted({*_files(room), *_entry_points(room), *added})


def summary(room: str, name: str) -> str:
    """Return the first line of a plug-in's docstring, read without importing the file."""
    path = _code_files.get((room, name)) or _files(room).get(name)
    if path is None:
        return f"(from {_entry_points(room)[name].value})"
    text = path.read_text(encoding="utf-8")
    if text.startswith('"""'):
        return text[3:].partition("\n")[0].partition('"""')[0].strip()
    docstring = ast.get_docstring(ast.parse(text)) or ""
    return docstring.partition("\n")[0]


def load(room: str, name: str) -> ModuleType:
    """Import the plug-in `name` of `room`; raises UsageError with the nearest name if there is none."""
    if (room, name) in _code_files:
        return _load_file(room, name, _code_files[room, name])
    if name in _files(room):
        return importlib.import_module(f"dlw.{room}.{name}")
    if name in _entry_points(room):
        module = _entry_points(room)[name].load()
        assert isinstance(module, ModuleType), f"entry point dlw.{room}:{name} must name a module"
        return module
    known = names(room)
    raise UsageError(f"no {room} plug-in is called {name}{did_you_mean(name, known)} (there are {', '.join(known)})")


def add_code(file: Path) -> tuple[str, str]:
    """Register a plug-in file named on the command line: `ROOM/NAME.py`, its folder says the room. Returns both."""
    file = file.resolve()
    room, name = file.parent.name, file.stem
    if room not in ROOMS:
        raise UsageError(f"--code {file}: its folder must be named after a room ({', '.join(ROOMS)})")
    if not file.is_file():
        raise UsageError(f"--code {file}: no such file")
    _code_files[room, name] = file
    return room, name


def code_files() -> list[Path]:
    """Return the files that joined by `add_code`, for a process that has to know the same plug-ins."""
    return list(_code_files.values())


def _load_file(room: str, name: str, path: Path) -> ModuleType:
    module_name = f"dlw_code.{room}.{name}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    return module
