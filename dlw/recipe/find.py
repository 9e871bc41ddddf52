"""Which file a reference means: a path, or the name of a recipe that was installed with dlw."""

from __future__ import annotations

import os
from pathlib import Path

import dlw
from dlw.errors import Problem, RecipeError
from dlw.recipe._nearest import ranked
from dlw.recipe._show import shown
from dlw.recipe.parse import is_file

SUFFIXES = (".yaml", ".yml")


def recipes_folder() -> Path:
    """Return the folder of the installed recipes: inside the package in a wheel, beside it in a checkout."""
    package = Path(dlw.__file__).parent
    installed = package / "_recipes"
    return installed if installed.is_dir() else package.parent / "recipes"


def installed_recipes() -> dict[str, Path]:
    """Return name -> file of the installed recipes; where two folders share a name, it takes the folder's, too."""
    files = sorted(path for path in recipes_folder().rglob("*.yaml") if not path.name.startswith("_"))
    stems = [path.stem for path in files]
    return {
        path.stem if stems.count(path.stem) == 1 else str(path.relative_to(recipes_folder()).with_suffix("")): path
        for path in files
    }


def find_recipe(reference: str | Path) -> Path:
    """Return the file a reference means; raises RecipeError with the closest names."""
    path, text = Path(reference), str(reference)
    if is_file(path):
        return path
    known = installed_recipes()
    if text in known:
        return known[text]
    inside = recipes_folder() / f"{text}.yaml"
    if not path.is_absolute() and ".." not in path.parts and inside in known.values():
        return inside
    raise RecipeError([Problem("", 0, 0, "", f"recipe not found: {shown(text, 200)}{_closest(path, known)}")])


def _closest(path: Path, known: dict[str, Path]) -> str:
    folder = path.parent
    try:
        beside = [str(folder / file.name) for file in folder.iterdir() if file.suffix in SUFFIXES]
    except (OSError, ValueError):
        beside = []
    names = ranked(str(path), [*beside, *known])[:3]
    folder_hint = " (a folder; name the file in it)" if os.path.isdir(path) else ""
    return f"{folder_hint}; closest: {', '.join(shown(name, 100) for name in names)}" if names else folder_hint
