"""What the sources of labelled boxes share: a table of pictures and what lies on them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dlw.errors import DataError
from dlw.sources._tables import pictures_at

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class Annotated:
    """One picture with its boxes [left, top, width, height] in pixels, and the number and name of each box's class."""

    picture: Path
    boxes: list[list[float]] = field(default_factory=list)
    categories: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def add(self, box: Sequence[float], category: int, name: str) -> None:
        """Append one box."""
        self.boxes.append([float(number) for number in box])
        self.categories.append(category)
        self.names.append(name)


def objects_table(rows: Sequence[Annotated]) -> pa.Table:
    """Return the columns `image` and `objects`, a record of the lists bbox, category and category_name."""
    import pyarrow as pa

    lists = {
        "bbox": pa.array([row.boxes for row in rows], pa.list_(pa.list_(pa.float64()))),
        "category": pa.array([row.categories for row in rows], pa.list_(pa.int64())),
        "category_name": pa.array([row.names for row in rows], pa.list_(pa.string())),
    }
    pictures = pictures_at([str(row.picture.absolute()) for row in rows])
    return pa.table({"image": pictures, "objects": pa.StructArray.from_arrays(list(lists.values()), list(lists))})


def inside(folder: Path, name: str, file: Path) -> Path:
    """Return the path of a file that an annotation names; DataError if it leads outside the folder."""
    place = Path(os.path.normpath(folder.absolute() / name))
    if not place.is_relative_to(folder.absolute()):
        raise DataError(f"{file}: {name!r} leads outside {folder}")
    return place
