"""COCO annotations: instances as JSON files beside a folder of pictures; boxes only.

The columns are `image` and `objects`. A file whose name says a split (instances_train2017.json) is that split, a single
file is "train". Boxes of crowds are left out; pictures without boxes stay.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from dlw.errors import DataError
from dlw.progress import Listener
from dlw.sources._base import SourceSettings
from dlw.sources._files import find
from dlw.sources._objects import Annotated, inside, objects_table

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".json",)


class Settings(SourceSettings):
    """Options of COCO annotations."""

    path: str | list[str] = Field(description="JSON file, files, glob, or a folder of them.")
    pictures: str | None = Field(
        None,
        description="Folder that the file names start at, from the JSON file's folder; default: that folder, the one "
        "above it, or `images` or the split's own folder in either.",
    )


def open_tables(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Read the annotations of each split."""
    found = find(settings.path, SUFFIXES, listener)
    return {
        split: objects_table([row for file in files for row in _read(file, settings.pictures, listener)])
        for split, files in found.items()
    }


def _read(file: Path, pictures: str | None, listener: Listener) -> list[Annotated]:
    content = _parsed(file)
    try:
        names = {int(one["id"]): str(one["name"]) for one in content["categories"]}
        files = {one["id"]: str(one["file_name"]) for one in content["images"]}
        folder = _folder(file, pictures, next(iter(files.values()), ""))
        rows = {key: Annotated(inside(folder, name, file)) for key, name in files.items()}
        crowds = 0
        for one in content["annotations"]:
            if one.get("iscrowd"):
                crowds += 1
                continue
            rows[one["image_id"]].add(one["bbox"], int(one["category_id"]), names[int(one["category_id"])])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{file}: not COCO instances: {error!r}; images need id and file_name, categories id and name, annotations "
            "the image_id and category_id of one that is there, and bbox"
        ) from error
    if crowds:
        listener.line(f"{file}: {crowds} boxes of crowds left out")
    return list(rows.values())


def _parsed(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except ValueError as error:
        raise DataError(f"{file}: not JSON: {error}") from error
    except RecursionError:
        raise DataError(f"{file}: not readable as JSON: nested too deeply") from None
    if not isinstance(content, dict):
        raise DataError(f"{file}: expected an object with images, annotations and categories")
    return content


def _folder(file: Path, pictures: str | None, first: str) -> Path:
    """Return the folder in which the first picture lies."""
    if pictures is not None:
        return file.parent / pictures
    split = file.stem.removeprefix("instances_")
    beside = [base / part for base in (file.parent, file.parent.parent) for part in ("", "images", split)]
    places = [*beside, file.parent.parent / "images" / split]
    for place in places:
        if (place / first).is_file():
            return place
    told = ", ".join(map(str, places))
    raise DataError(f"{file}: its first picture {first!r} is in none of {told}; name the folder as `pictures`")
