"""Reading one Parquet file: into a table, or row group by row group."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlw.errors import DataError
from dlw.shards import Shard
from dlw.sources._sharded import DataFile
from dlw.sources._tables import check_names, name_classes, name_classes_of

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

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


def shards(file: DataFile) -> tuple[list[Shard], pa.Schema]:
    """Return the row groups of a Parquet file and its columns; only its end is read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if file.size_bytes == 0:
        raise DataError(f"{file.name}: the file is empty")
    try:
        with file.open() as opened:
            whole = pq.ParquetFile(opened)
            metadata, schema = whole.metadata, whole.schema_arrow
        check_names(schema.names, file.name)
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise DataError(f"{file.name}: not a readable Parquet file: {str(error).splitlines()[0]}") from error
    return [_row_group(file, metadata, group) for group in range(metadata.num_row_groups)], name_classes_of(schema)


def _row_group(file: DataFile, metadata: pq.FileMetaData, group: int) -> Shard:
    held = metadata.row_group(group)
    name = f"{file.name}, row group {group}"

    def read(names: Sequence[str]) -> pa.Table:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with file.open() as opened:
                table = pq.ParquetFile(opened, metadata=metadata).read_row_group(group, columns=list(names))
            table = table.select(list(names)).combine_chunks()
            table.validate(full=True)
            return name_classes(table)
        except (pa.ArrowException, OSError, UnicodeError) as error:
            raise DataError(f"{name}: cannot be read: {str(error).splitlines()[0]}") from error

    return Shard(name, held.num_rows, held.total_byte_size, read)
