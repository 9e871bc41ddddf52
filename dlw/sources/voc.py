"""Pascal VOC annotations: one XML file per picture, beside it or in Annotations and JPEGImages; boxes only.

The columns are `image` and `objects`. Lists in ImageSets/Main (train.txt, val.txt, test.txt) or folders named after
splits tell the splits. Boxes are taken as written: xmin, ymin, xmax, ymax become xmin, ymin, xmax - xmin, ymax - ymin.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from pydantic import Field

from dlw.errors import DataError
from dlw.progress import Listener
from dlw.sources._base import SourceSettings
from dlw.sources._files import PICTURE_SUFFIXES, SPLITS, has_suffix, split_of, walk
from dlw.sources._objects import Annotated, objects_table

if TYPE_CHECKING:
    import pyarrow as pa

MAX_BYTES = 2**20
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


class Settings(SourceSettings):
    """Options of VOC annotations."""

    path: str = Field(description="The folder.")
    difficult: bool = Field(True, description="Whether boxes that are marked as difficult are kept.")


def open_tables(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Read the annotations of each split."""
    root = Path(settings.path)
    if not root.is_dir():
        raise DataError(f"{root}: VOC annotations are a folder")
    files = list(walk(root, listener))
    notes = {file.stem: file for file in files if has_suffix(file, (".xml",))}
    pictures = {file.stem: file for file in files if has_suffix(file, PICTURE_SUFFIXES)}
    if not notes:
        raise DataError(f"{root}: no XML file here")
    lost = sorted(notes.keys() - pictures.keys())
    if lost:
        raise DataError(f"{notes[lost[0]]}: no picture is called {lost[0]} ({len(lost)} annotations without one)")
    bare = sorted(pictures.keys() - notes.keys())
    if bare:
        listener.line(f"{root}: {len(bare)} pictures without an annotation left out, such as {pictures[bare[0]]}")
    names: dict[str, int] = {}
    read = {stem: _read(notes[stem], pictures[stem], settings.difficult, names) for stem in sorted(notes)}
    numbers = {name: place for place, name in enumerate(sorted(names))}
    for row in read.values():
        row.categories = [numbers[name] for name in row.names]
    return {
        split: objects_table([read[stem] for stem in stems])
        for split, stems in _splits(root, read, files, listener).items()
    }


def _splits(root: Path, read: dict[str, Annotated], files: Sequence[Path], listener: Listener) -> dict[str, list[str]]:
    """Return the stems of each split: by the lists of ImageSets/Main, else by folder, else all are train."""
    lists = {file.stem: file for file in files if file.parent.parts[-2:] == ("ImageSets", "Main")}
    listed = {split_of(Path(stem)): file for stem, file in lists.items() if stem in ("train", "val", "test")}
    found: dict[str, list[str]] = {}
    if listed:
        for split, file in listed.items():
            stems = [line.split()[0] for line in file.read_text("utf-8").splitlines() if line.strip()]
            wrong = [stem for stem in stems if stem not in read]
            if wrong:
                raise DataError(f"{file}: {wrong[0]!r} has no annotation ({len(wrong)} such lines)")
            found[split or "train"] = stems
    else:
        for stem, row in read.items():
            found.setdefault(split_of(row.picture.parent.relative_to(root) / "x") or "", []).append(stem)
        silent = found.pop("", [])
        if not found:
            return {"train": silent}
        if silent:
            listener.line(f"{root}: {len(silent)} pictures outside the split folders left out, such as {silent[0]}")
    return {split: found[split] for split in SPLITS if split in found}


def _read(file: Path, picture: Path, with_difficult: bool, names: dict[str, int]) -> Annotated:
    row = Annotated(picture)
    for place, one in enumerate(_parsed(file).iter("object"), start=1):
        try:
            name = (one.findtext("name") or "").strip()
            left, top, right, bottom = (float(one.findtext(f"bndbox/{corner}") or "") for corner in _CORNERS)
        except ValueError as error:
            raise DataError(f"{file}: object {place}: bndbox needs the numbers {', '.join(_CORNERS)}") from error
        if not name:
            raise DataError(f"{file}: object {place} has no name")
        if with_difficult or one.findtext("difficult") != "1":
            names.setdefault(name, len(names))
            row.add([left, top, right - left, bottom - top], 0, name)
    return row


def _parsed(file: Path) -> ElementTree.Element:
    """Return the root of an XML file: UTF-8, at most 1 MiB, without a document type and so without entities."""
    if file.stat().st_size > MAX_BYTES:
        raise DataError(f"{file}: {file.stat().st_size:,} bytes, the limit is {MAX_BYTES:,}")
    content = file.read_bytes()
    try:
        if "<!doctype" in content.decode("utf-8-sig").lower():
            raise DataError(f"{file}: a document type is not allowed: entities can grow without bound")
        return ElementTree.fromstring(content)
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: byte {error.start}: not UTF-8 text") from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise DataError(f"{file}: not XML: {error}") from error
