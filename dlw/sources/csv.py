"""CSV and TSV files: one file, several, a glob, or a folder of {train,validation,test}.csv.

Column types are guessed from all values. Empty cells, `?`, `NA`, `NaN` and `null` in their usual spellings are missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from dlw.errors import DataError
from dlw.progress import Listener
from dlw.sources._base import SourceSettings
from dlw.sources._csv_errors import check_encoding, explain
from dlw.sources._files import claims_tables, find
from dlw.sources._tables import check_names, join

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".csv", ".tsv")
MISSING = ["", "?", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null"]


class Settings(SourceSettings):
    """Options of CSV files."""

    path: str | list[str] = Field(description="File, files, glob or folder.")
    delimiter: str | None = Field(
        None,
        min_length=1,
        max_length=1,
        description="Between the cells; default: comma, tab or semicolon by the header.",
    )
    encoding: str = Field("utf-8", description="Text encoding, such as latin-1 or utf-16.")
    decimal: str = Field(".", pattern=r"^[.,]$", description="Decimal mark.")
    missing: list[str] = Field(MISSING, description="Cells that mean missing.")
    text: list[str] = Field([], description="Columns kept as text though they look like numbers (codes such as 007).")


def claims(path: Path) -> bool:
    """Tell whether a path looks like CSV or TSV."""
    return claims_tables(path, SUFFIXES)


def open_tables(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Read the files of each split; a column that is text in one file is text in all."""
    paths = [settings.path] if isinstance(settings.path, str) else settings.path
    found = find(paths, SUFFIXES, listener)
    tables = {file: _read(file, settings, settings.text) for files in found.values() for file in files}
    words = {name for table in tables.values() for name in table.column_names if _is_text(table, name)}
    for file, table in tables.items():
        mixed = [name for name in table.column_names if name in words and not _is_text(table, name)]
        if mixed:
            tables[file] = _read(file, settings, [*settings.text, *mixed])
    return {split: join([(file, tables[file]) for file in files]) for split, files in found.items()}


def _read(path: Path, settings: Settings, text: list[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.csv as pc

    delimiter = settings.delimiter or _delimiter(path, settings.encoding)
    check_encoding(path, settings.encoding)
    try:
        table = pc.read_csv(
            path,
            pc.ReadOptions(encoding=settings.encoding, block_size=1 << 22),
            pc.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            pc.ConvertOptions(
                null_values=settings.missing,
                strings_can_be_null=True,
                decimal_point=settings.decimal,
                column_types={name: pa.string() for name in text},
            ),
        )
    except (pa.ArrowException, OSError, LookupError, UnicodeError) as error:
        raise DataError(explain(path, delimiter, settings.encoding, str(error))) from error
    check_names(table.column_names, path)
    if any(pa.types.is_binary(kind) for kind in table.schema.types):
        raise DataError(explain(path, delimiter, settings.encoding, "holds bytes that are not text"))
    return table


def _delimiter(path: Path, encoding: str) -> str:
    with path.open(encoding=encoding, errors="replace") as file:
        header = file.readline(1 << 20)
    return max(",\t;", key=header.count)


def _is_text(table: pa.Table, name: str) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(table.schema.field(name).type))
