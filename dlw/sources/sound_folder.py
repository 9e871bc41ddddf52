"""Folders of recordings: one folder per class, train/test folders, or a metadata.csv, .jsonl or .parquet beside them.

The layout of the `datasets` library's audio folders. Without metadata the columns are `sound` and, where the recordings
lie in folders, `label`. With metadata every row names its recording in `file_name` (column `sound`) or in
`<column>_file_name`, and its other columns are kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from dlw.progress import Listener
from dlw.sources import _media_folders
from dlw.sources._base import SourceSettings
from dlw.sources._files import SOUND_SUFFIXES

if TYPE_CHECKING:
    import pyarrow as pa

_MEDIA = _media_folders.Media("recording", SOUND_SUFFIXES, "sound")


class Settings(SourceSettings):
    """Options of a recording folder."""

    path: str | list[str] = Field(description="The folder, or recording files, or a glob of them.")


def claims(path: Path) -> bool:
    """Tell whether a path is a recording or a folder that holds some."""
    return _media_folders.claims(path, _MEDIA)


def open_tables(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """List the recordings of each split with their labels or metadata."""
    return _media_folders.open_tables(settings.path, _MEDIA, listener)
