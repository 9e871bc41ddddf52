"""Parquet files: one file, several, a glob, or a folder of {train,validation,test}.parquet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from dlw.progress import Listener
from dlw.sources._base import SourceSettings
from dlw.sources._files import claims_tables, find
from dlw.sources._parquet_files import SUFFIXES, read
from dlw.sources._tables import join

if TYPE_CHECKING:
    import pyarrow as pa


class Settings(SourceSettings):
    """Options of Parquet files."""

    path: str | list[str] = Field(description="File, files, glob or folder.")


def claims(path: Path) -> bool:
    """Tell whether a path looks like Parquet."""
    return claims_tables(path, SUFFIXES)


def open_tables(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Read the files of each split."""
    found = find(settings.path, SUFFIXES, listener)
    return {split: join([(file, read(file)) for file in files]) for split, files in found.items()}
