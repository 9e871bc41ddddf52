"""Folders of pictures or recordings: one folder per class, train/test folders, or a table of metadata beside them.

The layout of the `datasets` library's image and audio folders. Without metadata the columns are the files and, where
they lie in folders, `label`. With metadata every row names its file in `file_name` or in `<column>_file_name`, and its
other columns are kept. Files are opened only when they are needed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlw.errors import DataError
from dlw.progress import Listener
from dlw.sources import _csv_files, _json_files, _parquet_files
from dlw.sources._files import SPLITS, find, has_suffix, holds, split_of, walk
from dlw.sources._tables import class_array, join, pictures_at

if TYPE_CHECKING:
    import pyarrow as pa

_METADATA = {
    "metadata.csv": _csv_files.read,
    "metadata.jsonl": _json_files.read,
    "metadata.parquet": _parquet_files.read,
}
_LINK = "file_name"
_NO_CLASS = ("unsup", "unsupervised", "unlabeled", "unlabelled")
"""Names of folders whose files have no class: those of the Large Movie Review Dataset, and usual ones."""
Parts = dict[str, tuple[Path, list[Path]]]
"""For each split its folder and its files."""


@dataclass(frozen=True)
class Media:
    """What a folder holds: the name of one, the suffixes of its files, the column they become.

    With `has_notes` files of the same suffixes may lie beside the class folders of a split, and are left out.
    """

    what: str
    suffixes: tuple[str, ...]
    column: str
    has_notes: bool = False


def claims(path: Path, media: Media) -> bool:
    """Tell whether a path is such a file or a folder that holds some."""
    return holds(path, media.suffixes) if path.is_dir() else has_suffix(path, media.suffixes)


def open_tables(path: str | list[str], media: Media, listener: Listener) -> dict[str, pa.Table]:
    """List the files of each split with their labels or metadata."""
    paths = [path] if isinstance(path, str) else path
    if len(paths) == 1 and Path(paths[0]).is_dir():
        return _folder(Path(paths[0]), media, listener)
    found = find(paths, media.suffixes, listener)
    root = Path(os.path.commonpath([file.parent for files in found.values() for file in files]))
    return _by_class({split: (root, files) for split, files in found.items()}, media)


def _folder(root: Path, media: Media, listener: Listener) -> dict[str, pa.Table]:
    files = list(walk(root, listener))
    whole = [file for file in files if file.parent == root and file.name in _METADATA]
    if whole:
        return {"train": _by_metadata(root, whole, media)}
    parts: Parts = {}
    others = []
    for file in files:
        top = file.relative_to(root).parts[0]
        split = split_of(Path(top)) if file.parent != root else None
        if split is None:
            others.append(file)
        elif split in parts and parts[split][0] != root / top:
            raise DataError(f"{root}: two folders are a {split} split: {parts[split][0].name} and {top}")
        else:
            parts.setdefault(split, (root / top, []))[1].append(file)
    if not parts:
        parts["train"] = (root, others)
    elif others:
        listener.line(f"{root}: {len(others)} files outside the split folders left out, such as {others[0]}")
    described = {split: [file for file in found if file.name in _METADATA] for split, (_, found) in parts.items()}
    if any(described.values()):
        bare = [split for split, found in described.items() if not found]
        if bare:
            raise DataError(f"{root}: the {bare[0]} folder has no metadata file while others do")
        tables = {split: _by_metadata(root, described[split], media) for split in parts}
    else:
        tables = _by_class(_without_notes(root, parts, listener) if media.has_notes else parts, media)
    return {split: tables[split] for split in SPLITS if split in tables}


def _without_notes(root: Path, parts: Parts, listener: Listener) -> Parts:
    """Leave out what lies beside the class folders of a split, and folders named as of no class that another split
    lacks; a folder that is no split's own stays as it is."""
    folders = {
        split: {file.parent.name for file in files if file.parent != top} for split, (top, files) in parts.items()
    }
    notes = {name for name in _NO_CLASS if not all(name in found for found in folders.values())}
    kept = dict(parts)
    for split, (top, files) in parts.items():
        left = [file for file in files if file.parent == top or file.parent.name in notes]
        if top != root and 0 < len(left) < len(files):
            listener.line(f"{top}: {len(left)} files outside the class folders left out, such as {left[0]}")
            kept[split] = (top, [file for file in files if file.parent != top and file.parent.name not in notes])
    return kept


def _by_class(parts: Parts, media: Media) -> dict[str, pa.Table]:
    """Label files with the name of the folder they lie in; no labels where all lie at the top."""
    import pyarrow as pa

    files_of = {
        split: [file for file in files if has_suffix(file, media.suffixes)] for split, (_, files) in parts.items()
    }
    labels = {split: [file.parent.name for file in files] for split, files in files_of.items()}
    deep = [file.parent != parts[split][0] for split, files in files_of.items() for file in files]
    names = sorted({label for found in labels.values() for label in found})
    if any(deep) and not all(deep):
        split, file = next((s, f) for s, files in files_of.items() for f in files if f.parent == parts[s][0])
        raise DataError(f"{file}: lies beside the class folders of {parts[split][0]}; every {media.what} needs one")
    places = {name: place for place, name in enumerate(names)}
    tables = {}
    for split, files in files_of.items():
        columns = {media.column: pictures_at([str(file.absolute()) for file in files])}
        if any(deep):
            columns["label"] = class_array(np.array([places[label] for label in labels[split]], np.int32), names)
        tables[split] = pa.table(columns)
    return tables


def _by_metadata(root: Path, files: Sequence[Path], media: Media) -> pa.Table:
    return join([(file, _linked(root, file, _METADATA[file.name](file), media)) for file in files])


def _linked(root: Path, file: Path, table: pa.Table, media: Media) -> pa.Table:
    """Replace the columns of file names by the files."""
    links = [name for name in table.column_names if name == _LINK or name.endswith(f"_{_LINK}")]
    if not links:
        raise DataError(f"{file}: needs a column file_name, or one ending in _file_name; it has {table.column_names}")
    for link in links:
        name = media.column if link == _LINK else link.removesuffix(f"_{_LINK}")
        if name in table.column_names:
            raise DataError(
                f"{file}: has a column {name} beside {link}, which gives the {media.what}s that name; rename one"
            )
        places = _inside(root, file, table[link].to_pylist())
        table = table.set_column(table.column_names.index(link), name, pictures_at(places))
    return table


def _inside(root: Path, file: Path, names: Iterable[str | None]) -> list[str | None]:
    places: list[str | None] = []
    for row, name in enumerate(names):
        place = None if name is None else os.path.normpath(file.parent.absolute() / str(name))
        if place is not None and not Path(place).is_relative_to(root.absolute()):
            raise DataError(f"{file}: row {row}: {name!r} leads outside {root}")
        places.append(place)
    return places
