"""YOLO annotations: one text file of boxes per picture, in a folder `labels` beside the folder `images`, or beside it.

The columns are `image` and `objects`; the shares in the files become pixels. Names come from data.yaml (`names`) or
classes.txt. Folders named after splits (images/train, valid/images) tell the splits; a picture without a text file, or
with an empty one, has no boxes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from dlw.errors import DataError, RecipeError
from dlw.progress import Listener
from dlw.recipe.parse import read_file
from dlw.sources._base import SourceSettings
from dlw.sources._files import PICTURE_SUFFIXES, SPLITS, has_suffix, split_of, walk
from dlw.sources._objects import Annotated, objects_table

if TYPE_CHECKING:
    import pyarrow as pa

_TURNED = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""
_ORIENTATION = 0x0112


class Settings(SourceSettings):
    """Options of YOLO annotations."""

    path: str = Field(description="The folder.")


def open_tables(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Read the boxes of each split."""
    root = Path(settings.path)
    if not root.is_dir():
        raise DataError(f"{root}: YOLO annotations are a folder")
    pictures = [file for file in walk(root, listener) if has_suffix(file, PICTURE_SUFFIXES)]
    if not pictures:
        raise DataError(f"{root}: no picture here")
    names = _names(root)
    found: dict[str, list[Path]] = {}
    for picture in pictures:
        found.setdefault(split_of(picture.parent.relative_to(root) / "x") or "", []).append(picture)
    silent = found.pop("", [])
    if not found:
        found = {"train": silent}
    elif silent:
        listener.line(f"{root}: {len(silent)} pictures outside the split folders left out, such as {silent[0]}")
    return {
        split: objects_table([_read(picture, names) for picture in found[split]]) for split in SPLITS if split in found
    }


def _names(root: Path) -> list[str]:
    described, listed = root / "data.yaml", root / "classes.txt"
    if described.is_file():
        try:
            given = read_file(described, str(described))[0].plain()["names"]
        except (RecipeError, KeyError, TypeError) as error:
            raise DataError(f"{described}: needs `names`, a list of the classes: {error}") from error
        if isinstance(given, dict) and sorted(map(str, given)) == sorted(map(str, range(len(given)))):
            given = [name for _, name in sorted(given.items(), key=lambda item: int(item[0]))]
        if not isinstance(given, list) or not given:
            raise DataError(f"{described}: `names` must be a list, or number the classes from 0")
        return [str(name) for name in given]
    if listed.is_file():
        return [line.strip() for line in listed.read_text("utf-8").splitlines() if line.strip()]
    raise DataError(f"{root}: needs data.yaml with `names`, or classes.txt with one name a line")


def _read(picture: Path, names: list[str]) -> Annotated:
    row = Annotated(picture)
    file = _beside(picture)
    if not file.is_file():
        return row
    lines = [line.split() for line in file.read_text("utf-8").splitlines() if line.strip()]
    width, height = _size(picture) if lines else (0, 0)
    for number, parts in enumerate(lines, start=1):
        try:
            category, (x, y, w, h) = int(parts[0]), [float(part) for part in parts[1:]]
        except ValueError as error:
            raise DataError(f"{file}:{number}: expected `class x y width height`, got {' '.join(parts)!r}") from error
        if not 0 <= category < len(names):
            raise DataError(f"{file}:{number}: class {category}, allowed are 0 to {len(names) - 1}")
        row.add([(x - w / 2) * width, (y - h / 2) * height, w * width, h * height], category, names[category])
    return row


def _beside(picture: Path) -> Path:
    """Return the text file of a picture: in `labels` where it lies in `images`, else beside it."""
    parts = list(picture.parts)
    places = [place for place, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")


def _size(picture: Path) -> tuple[int, int]:
    """Return width and height of a picture, turned as its EXIF orientation asks, from its header."""
    from PIL import Image

    try:
        with Image.open(picture) as opened:
            is_turned = opened.getexif().get(_ORIENTATION, 1) in _TURNED
            return (opened.height, opened.width) if is_turned else (opened.width, opened.height)
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{picture}: cannot be opened: {error}") from error
