"""JSON lines (one object a line) and JSON files holding one list of objects; here or at URLs.

More lines than fit the memory are read some at a time, after one pass that learns the types of all rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from dlw.progress import Listener, size_text
from dlw.shards import ShardedTable
from dlw.sources._base import SourceSettings
from dlw.sources._files import claims_tables, find
from dlw.sources._json_files import SUFFIXES, read, shards
from dlw.sources._sharded import find_files, open_sharded
from dlw.sources._tables import join

if TYPE_CHECKING:
    import pyarrow as pa


class Settings(SourceSettings):
    """Options of JSON files."""

    path: str | list[str] = Field(description="File, files, glob or folder; or URLs such as gs://bucket/*.jsonl.")


def claims(path: Path) -> bool:
    """Tell whether a path looks like JSON lines."""
    return claims_tables(path, SUFFIXES[:2] if path.is_dir() else SUFFIXES)


def open_tables(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Read the files of each split."""
    found = find(settings.path, SUFFIXES, listener)
    return {split: join([(file, read(file)) for file in files]) for split, files in found.items()}


def open_shards(
    settings: Settings, cache: Path, listener: Listener, budget_bytes: int
) -> dict[str, ShardedTable] | None:
    """Leave the rows of each split on disk where they do not fit the budget."""
    found = find_files(settings.path, SUFFIXES, listener)
    size = sum(file.size_bytes for files in found.values() for file in files)
    if size <= budget_bytes // 2 and not any(file.is_remote for files in found.values() for file in files):
        return None
    listener.line(f"reading {size_text(size)} of JSON lines once, for the types of all rows")
    return open_sharded(found, shards, budget_bytes)
