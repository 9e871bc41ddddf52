"""Which file or folder a data path means, and the walls around a recipe that is not trusted (`--sandbox`).

Relative paths start at the recipe's folder; what is not there is looked up by its last name in the folder DLW_DATA.
Inside a sandbox every path of the recipe, links followed, must stay in the recipe's folder or in DLW_DATA.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlw.errors import Problem, RecipeError
from dlw.recipe._show import shown
from dlw.recipe.find import recipes_folder
from dlw.recipe.parse import Node
from dlw.remote import is_remote

MIRROR = "DLW_DATA"
"""Environment variable: a folder where a source that is not there is looked up by its path or the last part of that."""

_ANY = "*"
_SECTIONS = (
    ("data", "source"),
    ("data", "inputs", _ANY, "tokenizer"),
    ("data", "target", _ANY, "tokenizer"),
    ("model",),
    ("evaluate", "episodes", "source"),
)
"""Where a recipe may name files and folders."""


def located(text: str, root: Path) -> str:
    """Return where a data path leads: below `root`, or else in the mirror folder if it is only there; a URL stays."""
    if is_remote(text):
        return text
    path = Path(os.path.expanduser(text))
    here = str(path if path.is_absolute() else root / path)
    mirror = os.environ.get(MIRROR)
    if mirror and not exists(here):
        is_plain = not path.is_absolute() and ".." not in path.parts
        for name in ([str(path)] if is_plain else []) + [path.name]:
            if os.path.lexists(Path(mirror) / name):
                return str(Path(mirror) / name)
    return here


def exists(name: str) -> bool:
    """Tell whether a path, or something that a glob matches, is there; of a URL only opening it tells."""
    return is_remote(name) or os.path.lexists(name) or (glob.has_magic(name) and bool(glob.glob(name, recursive=True)))


@dataclass(frozen=True)
class Sandbox:
    """Folders that the paths of a recipe may not leave."""

    roots: tuple[Path, ...]

    @classmethod
    def around(cls, file: Path) -> Sandbox:
        """Return the walls around a recipe file: its folder (all installed recipes share one) and DLW_DATA."""
        folder, installed = file.resolve().parent, recipes_folder().resolve()
        own = installed if folder.is_relative_to(installed) else folder
        mirror = os.environ.get(MIRROR)
        return cls((own, Path(mirror).resolve()) if mirror else (own,))

    def refusal(self, target: str | Path) -> str | None:
        """Say why a path leads out of the sandbox, None if it stays inside."""
        try:
            resolved = Path(target).resolve()
        except (OSError, ValueError, RuntimeError) as error:
            return f"cannot be resolved: {error}"
        if any(resolved.is_relative_to(root) for root in self.roots):
            return None
        allowed = " or ".join(shown(str(root), 200) for root in self.roots)
        return f"leads to {shown(str(resolved), 200)}, outside of {allowed}, which --sandbox does not allow"

    def check(self, root: Node) -> None:
        """Raise RecipeError for every text of the sections that name files that is a path out of the sandbox."""
        problems: list[Problem] = []
        for section in _SECTIONS:
            for text in (text for node in _at(root, section) for text in _texts(node)):
                refusal = self._refused(located(text.value, text.origin))
                if refusal:
                    problems.append(text.place.problem(".".join(section), f"{shown(text.value, 100)} {refusal}"))
        if problems:
            raise RecipeError(problems)

    def _refused(self, target: str) -> str | None:
        """Look at the path, at what its glob matches, and at the links below a folder; a URL leads out."""
        if is_remote(target):
            return "leads out of this machine, which --sandbox does not allow"
        found = [target, *(glob.glob(target, recursive=True) if glob.has_magic(target) else [])]
        refusals = (self.refusal(name) for start in found for name in (start, *_links(start)))
        return next((refusal for refusal in refusals if refusal), None)


def _at(node: Node, section: tuple[str, ...]) -> Iterator[Node]:
    """Yield the nodes of a section, which may say that any key fits."""
    if not section:
        yield node
    elif isinstance(node.value, dict):
        for key, child in node.value.items():
            if section[0] in (key, _ANY):
                yield from _at(child, section[1:])


def _texts(node: Node) -> Iterator[Node]:
    if isinstance(node.value, str):
        yield node
    elif isinstance(node.value, (dict, list)):
        for child in node.value.values() if isinstance(node.value, dict) else node.value:
            yield from _texts(child)


def _links(folder: str) -> Iterator[str]:
    for parent, folders, files in os.walk(folder, followlinks=False):
        yield from (path for name in (*folders, *files) if os.path.islink(path := os.path.join(parent, name)))
