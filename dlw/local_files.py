"""Files of pretrained models: a path, or `package:NAME/FOLDER` for what an installed Python package carries.

A package is looked up where Python would find it and is never imported, so naming one runs none of its code.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from dlw.errors import UsageError

PACKAGE = "package:"
_REFERENCE = re.compile(r"package:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<inside>(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*)")


def problem_of(reference: str) -> str | None:
    """Say what is wrong with how a reference is written, None if nothing is; nothing is looked up."""
    if reference.startswith(PACKAGE) and not _REFERENCE.fullmatch(reference):
        return f"{reference}: expected package:NAME or package:NAME/FOLDER, NAME as it is imported"
    return None


def files_of(reference: str) -> Path:
    """Return the file or folder that a path or a `package:NAME/FOLDER` means; UsageError if the package is missing."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        return Path(reference)
    found = importlib.util.find_spec(match["name"])
    folders = found.submodule_search_locations if found else None
    if not folders:
        name = match["name"].replace("_", "-")
        raise UsageError(f"{reference}: no such package is installed: pip install {name}")
    return Path(next(iter(folders)) + match["inside"])


def is_path(word: str) -> bool:
    """Tell whether a word of a recipe names files rather than one of its own words: it holds a / or ends in .json."""
    return word.startswith(PACKAGE) or "/" in word or word.endswith(".json")
