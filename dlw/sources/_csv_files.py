"""Reading one CSV file into a table: fast by pyarrow, with exact errors by a slow second look."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlw.errors import DataError
from dlw.sources._csv_errors import check_encoding, explain
from dlw.sources._tables import check_names

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".csv", ".tsv")
MISSING = ["", "?", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null"]
"""Cells that mean missing unless the recipe says otherwise; pandas' list with `?`, without the real word None."""


def read(
    path: Path,
    *,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    decimal: str = ".",
    missing: Sequence[str] = MISSING,
    text: Sequence[str] = (),
) -> pa.Table:
    """Read a CSV file; DataError with line or byte if it is ragged, wrongly encoded or names a column twice."""
    import pyarrow as pa
    import pyarrow.csv as pc

    check_encoding(path, encoding)
    delimiter = delimiter or _delimiter(path, encoding)
    try:
        table = pc.read_csv(
            path,
            pc.ReadOptions(encoding=encoding, block_size=1 << 22),
            pc.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            pc.ConvertOptions(
                null_values=list(missing),
                strings_can_be_null=True,
                decimal_point=decimal,
                column_types={name: pa.string() for name in text},
            ),
        )
        check_names(table.column_names, path)
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise DataError(explain(path, delimiter, encoding, str(error))) from error
    if any(pa.types.is_binary(kind) for kind in table.schema.types):
        raise DataError(explain(path, delimiter, encoding, "holds bytes that are not text"))
    return table


def is_text(table: pa.Table, name: str) -> bool:
    """Tell whether a column was read as text."""
    import pyarrow as pa

    return bool(pa.types.is_string(table.schema.field(name).type))


def _delimiter(path: Path, encoding: str) -> str:
    try:
        with path.open(encoding=encoding, errors="replace") as file:
            header = file.readline(1 << 20)
    except UnicodeError:  # UTF-16 without its mark: the reader meets it again
        header = ""
    return max(",\t;", key=header.count)
