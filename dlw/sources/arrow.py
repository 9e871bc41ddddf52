"""Arrow folders written by `save_to_disk` of the `datasets` library, with or without splits.

More rows than fit the memory are read record batch by record batch.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from dlw.errors import DataError
from dlw.progress import Listener
from dlw.shards import ShardedTable
from dlw.sources._arrow_files import files_of, shards
from dlw.sources._base import SourceSettings
from dlw.sources._datasets import quiet, tables_of
from dlw.sources._sharded import open_sharded

if TYPE_CHECKING:
    import pyarrow as pa

_MARKS = ("dataset_dict.json", "state.json")


class Settings(SourceSettings):
    """Options of an Arrow folder."""

    path: str = Field(description="The folder given to `save_to_disk`.")


def claims(path: Path) -> bool:
    """Tell whether a path is an Arrow folder."""
    return path.is_dir() and any((path / mark).is_file() for mark in _MARKS)


def open_tables(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Map the folder's splits into memory."""
    path = Path(settings.path)
    if not claims(path):
        raise DataError(f"{path}: not an Arrow folder (it has none of {', '.join(_MARKS)})")
    datasets = quiet(cache, is_offline=True)
    try:
        loaded = datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: not a readable Arrow folder: {str(error).splitlines()[0]}") from error
    return tables_of(loaded, str(path))


def open_shards(
    settings: Settings, cache: Path, listener: Listener, budget_bytes: int
) -> dict[str, ShardedTable] | None:
    """Leave the rows of each split on disk where they do not fit the budget."""
    path = Path(settings.path)
    found = files_of(path) if claims(path) else {}
    size = sum(file.size_bytes for files in found.values() for file in files)
    return open_sharded(found, shards, budget_bytes) if size > budget_bytes // 2 else None
