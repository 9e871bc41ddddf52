"""Folders of pictures: one folder per class, train/test folders, or a metadata.csv, .jsonl or .parquet beside them.

The layout of the `datasets` library's image folders. Without metadata the columns are `image` and, where the pictures
lie in folders, `label`. With metadata every row names its picture in `file_name` (column `image`) or in
`<column>_file_name`, and its other columns are kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from dlw.progress import Listener
from dlw.sources import _media_folders
from dlw.sources._base import SourceSettings
from dlw.sources._files import PICTURE_SUFFIXES

if TYPE_CHECKING:
    import pyarrow as pa

_MEDIA = _media_folders.Media("picture", PICTURE_SUFFIXES, "image")


class Settings(SourceSettings):
    """Options of a picture folder."""

    path: str | list[str] = Field(description="The folder, or picture files, or a glob of them.")


def claims(path: Path) -> bool:
    """Tell whether a path is a picture or a folder that holds some."""
    return _media_folders.claims(path, _MEDIA)


def open_tables(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """List the pictures of each split with their labels or metadata."""
    return _media_folders.open_tables(settings.path, _MEDIA, listener)
