"""Parquet files: one file, several, a glob, or a folder of {train,validation,test}.parquet; here or at URLs.

More rows than fit the memory are read row group by row group.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from dlw.progress import Listener
from dlw.shards import ShardedTable
from dlw.sources._base import SourceSettings
from dlw.sources._files import claims_tables, find
from dlw.sources._parquet_files import SUFFIXES, read, shards
from dlw.sources._sharded import find_files, open_sharded
from dlw.sources._tables import join

if TYPE_CHECKING:
    import pyarrow as pa


class Settings(SourceSettings):
    """Options of Parquet files."""

    path: str | list[str] = Field(
        description="File, files, glob or folder; or URLs such as s3://bucket/train-*.parquet."
    )


def claims(path: Path) -> bool:
    """Tell whether a path looks like Parquet."""
    return claims_tables(path, SUFFIXES)


def open_tables(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Read the files of each split."""
    found = find(settings.path, SUFFIXES, listener)
    return {split: join([(file, read(file)) for file in files]) for split, files in found.items()}


def open_shards(
    settings: Settings, cache: Path, listener: Listener, budget_bytes: int
) -> dict[str, ShardedTable] | None:
    """Leave the rows of each split on disk where they do not fit the budget."""
    return open_sharded(find_files(settings.path, SUFFIXES, listener), shards, budget_bytes)
