"""Finding data files: paths, globs, lists and folders become one list of files per split.

Only regular files are ever opened: pipes, sockets and devices are named and skipped, folders that contain themselves
are entered once.
"""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Literal, TypeVar

from dlw.errors import DataError
from dlw.progress import Listener

AnyPath = TypeVar("AnyPath", bound=PurePath)
Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
_WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SPLIT_OF_WORD = {word: split for split, words in _WORDS.items() for word in words}
"""The words of the `datasets` library, so that a folder means the same there and here."""
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
SOUND_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
MEDIA = {"image": PICTURE_SUFFIXES, "sound": SOUND_SUFFIXES}
"""Fields that read files, and how the names of those end."""
_TABLE_DEPTH = 2
_MEDIA_DEPTH = 4


def split_of(path: PurePath) -> str | None:
    """Return the split that the last telling part of a path names: `train.csv`, `adult-test.csv`, `val/a.png`."""
    for part in (path.name.split(".")[0], *reversed(path.parts[:-1])):
        words = [word for word in re.split(r"[^a-z]+", part.lower()) if word]
        named = {_SPLIT_OF_WORD[word] for word in (words[:1] + words[-1:]) if word in _SPLIT_OF_WORD}
        if len(named) == 1:
            return named.pop()
    return None


def walk(folder: Path, listener: Listener | None = None) -> Iterator[Path]:
    """Yield the regular files below a folder in sorted order; hidden ones are left out, odd ones told and skipped."""
    yield from _walk(folder, {_identity(folder)}, listener)


def _walk(folder: Path, above: set[tuple[int, int]], listener: Listener | None) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error.strerror})") from error
    for entry in entries:
        if entry.name.startswith((".", "_")):
            continue
        path = folder / entry.name
        problem = _oddity(path)
        if problem is None and path.is_dir():
            identity = _identity(path)
            if identity in above:
                problem = "a link back to a folder that contains it"
            else:
                yield from _walk(path, above | {identity}, listener)
        elif problem is None:
            yield path
        if problem is not None and listener is not None:
            listener.warn(f"{path}: skipped: {problem}")


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _oddity(path: Path) -> str | None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return None
    return "a pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "not a regular file"


def has_suffix(path: PurePath, suffixes: Sequence[str]) -> bool:
    """Tell whether a file name ends in one of the suffixes, in any case."""
    return path.name.lower().endswith(tuple(suffixes))


def claims_tables(path: Path, suffixes: Sequence[str]) -> bool:
    """Tell whether a path is a table file of these suffixes, or a folder holding some at most two levels down."""
    return holds(path, suffixes, _TABLE_DEPTH, besides="metadata.") if path.is_dir() else has_suffix(path, suffixes)


def holds(folder: Path, suffixes: Sequence[str], depth: int = _MEDIA_DEPTH, besides: str | None = None) -> bool:
    """Tell whether a folder holds a file of these suffixes; names that start with `besides` do not count."""
    found = (file for file in _shallow(folder, depth) if has_suffix(file, suffixes))
    return any(besides is None or not file.name.startswith(besides) for file in found)


def _shallow(folder: Path, depth: int) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith((".", "_")):
            continue
        if depth > 1 and entry.is_dir(follow_symlinks=False):
            yield from _shallow(folder / entry.name, depth - 1)
        elif entry.is_file():
            yield folder / entry.name


def find(paths: str | Sequence[str], suffixes: Sequence[str], listener: Listener) -> dict[str, list[Path]]:
    """Return the files of each split.

    One file without a split is "train". Of several files, either all name a split or none does; in a folder those that
    name none are left out, and told, when others do.
    """
    paths = [paths] if isinstance(paths, str) else paths
    files: list[Path] = []
    is_listed = True
    for text in paths:
        path = Path(text)
        if path.is_dir():
            is_listed = False
            files += [file for file in walk(path, listener) if has_suffix(file, suffixes)]
        elif glob.has_magic(text) and not path.exists():
            is_listed = False
            files += [Path(name) for name in sorted(glob.glob(text, recursive=True))]
        else:
            files.append(path)
    if not files:
        raise DataError(f"{', '.join(paths)}: no file ending in {' '.join(suffixes)} here")
    for file in files:
        check_file(file)
    if is_listed and len(files) == 1:
        return {"train": files}
    roots = [*(text for text in paths if Path(text).is_dir()), *(str(file.parent) for file in files)]
    return by_split(files, Path(os.path.commonpath(roots)), is_listed, listener)


def by_split(files: list[AnyPath], root: PurePath, is_listed: bool, listener: Listener) -> dict[str, list[AnyPath]]:
    """Group files by the split their names tell below `root`; the folders above it say nothing."""
    found: dict[str, list[AnyPath]] = {}
    silent: list[AnyPath] = []
    for file in files:
        split = split_of(file.relative_to(root))
        found.setdefault(split, []).append(file) if split else silent.append(file)
    if not found:
        return {"train": silent}
    if silent and is_listed:
        raise DataError(f"{silent[0]}: its name says no split while others do; name all files after splits or none")
    for file in silent:
        listener.line(f"{file}: left out, its name says no split")
    return {split: found[split] for split in SPLITS if split in found}


def check_file(path: Path) -> None:
    """Raise DataError unless `path` is a regular file that can be opened, without ever blocking on a pipe."""
    if not path.exists():
        raise DataError(f"{path}: no such file")
    if path.is_dir():
        raise DataError(f"{path}: is a folder where a file is needed")
    problem = _oddity(path)
    if problem is None and not os.access(path, os.R_OK):
        problem = "may not be read (permission denied)"
    if problem is not None:
        raise DataError(f"{path}: {problem}")
