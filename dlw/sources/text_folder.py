"""Folders of texts, a row each: one folder per class, train/test folders, or a metadata.csv, .jsonl or .parquet.

The layout of picture and sound folders. Without metadata the columns are `text` and, where the files lie in folders,
`label`; notes beside the class folders of splits are left out. With metadata every row names its text in `file_name`,
and its other columns are kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from dlw.columns import from_text, one_array
from dlw.progress import Listener
from dlw.sources import _media_folders
from dlw.sources._base import SourceSettings
from dlw.sources._encodings import Encoding
from dlw.sources._text_files import COLUMN, SUFFIXES, has_classes, read

if TYPE_CHECKING:
    import pyarrow as pa

_MEDIA = _media_folders.Media("text", SUFFIXES, COLUMN, has_notes=True)


class Settings(SourceSettings):
    """Options of a text folder."""

    path: str | list[str] = Field(description="The folder, or text files, or a glob of them.")
    encoding: Encoding = Field("utf-8", description="Text encoding, such as latin-1 or utf-16.")


def claims(path: Path) -> bool:
    """Tell whether a path is a folder of texts in two or more class folders, with nothing but notes beside them."""
    return path.is_dir() and has_classes(path)


def open_tables(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Read the texts of each split with their labels or metadata."""
    tables = _media_folders.open_tables(settings.path, _MEDIA, listener)
    return {split: _with_texts(table, settings.encoding) for split, table in tables.items()}


def open_questions(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Read a text file as one row, too."""
    return open_tables(settings, cache, listener)


def _with_texts(table: pa.Table, encoding: str) -> pa.Table:
    """Put what the files hold in their place."""
    if COLUMN not in table.column_names:
        return table
    files = one_array(table[COLUMN]).field("path").to_pylist()
    texts = [None if file is None else read(Path(file), encoding).rstrip("\n") for file in files]
    return table.set_column(table.column_names.index(COLUMN), COLUMN, from_text(texts))
