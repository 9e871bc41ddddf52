"""Reading one Parquet file into a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dlw.errors import DataError
from dlw.sources._tables import check_names, name_classes

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".parquet", ".pq")


def read(path: Path) -> pa.Table:
    """Read a Parquet file; DataError if it is not one or names a column twice."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty")
    try:
        file = pq.ParquetFile(path)
        check_names(file.schema_arrow.names, path)
        table = file.read()
        table.validate(full=True)  # text that is no UTF-8 would fail later, far from its file
        return name_classes(table)
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise DataError(f"{path}: not a readable Parquet file: {str(error).splitlines()[0]}") from error
