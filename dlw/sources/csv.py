"""CSV and TSV files: one file, several, a glob, or a folder of {train,validation,test}.csv.

Column types are guessed from all values. Empty cells, `?`, `NA`, `NaN` and `null` in their usual spellings are missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from dlw.progress import Listener
from dlw.sources._base import SourceSettings
from dlw.sources._csv_files import MISSING, SUFFIXES, is_text, read
from dlw.sources._encodings import Encoding
from dlw.sources._files import claims_tables, find
from dlw.sources._tables import join

if TYPE_CHECKING:
    import pyarrow as pa


class Settings(SourceSettings):
    """Options of CSV files."""

    path: str | list[str] = Field(description="File, files, glob or folder.")
    delimiter: str | None = Field(
        None,
        min_length=1,
        max_length=1,
        description="Between the cells; default: comma, tab or semicolon, whichever the header has most of.",
    )
    encoding: Encoding = Field("utf-8", description="Text encoding, such as latin-1 or utf-16.")
    decimal: str = Field(".", pattern=r"^[.,]$", description="Decimal mark.")
    missing: list[str] = Field(MISSING, description="Cells that mean missing.")
    text: list[str] = Field([], description="Columns kept as text though they look like numbers (codes such as 007).")


def claims(path: Path) -> bool:
    """Tell whether a path looks like CSV or TSV."""
    return claims_tables(path, SUFFIXES)


def open_tables(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Read the files of each split; a column that is text in one file is text in all."""
    options = settings.model_dump(exclude={"path", "text"})
    found = find(settings.path, SUFFIXES, listener)
    tables = {file: read(file, text=settings.text, **options) for files in found.values() for file in files}
    words = {name for table in tables.values() for name in table.column_names if is_text(table, name)}
    for file, table in tables.items():
        mixed = [name for name in table.column_names if name in words and not is_text(table, name)]
        if mixed:
            tables[file] = read(file, text=[*settings.text, *mixed], **options)
    return {split: join([(file, tables[file]) for file in files]) for split, files in found.items()}
