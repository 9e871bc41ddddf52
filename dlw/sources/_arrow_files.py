"""The files of an Arrow folder, record batch by record batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlw.errors import DataError
from dlw.shards import Shard
from dlw.sources._files import split_of
from dlw.sources._sharded import DataFile, local
from dlw.sources._tables import name_classes, name_classes_of

if TYPE_CHECKING:
    import pyarrow as pa


def files_of(folder: Path) -> dict[str, list[DataFile]]:
    """Return the files of each split of a folder written by `save_to_disk`; DataError where one keeps an order beside
    its rows, which only a table in memory can follow."""
    whole = folder / "dataset_dict.json"
    try:
        names = json.loads(whole.read_bytes())["splits"] if whole.is_file() else [""]
        found = {}
        for name in names:
            state = json.loads((folder / name / "state.json").read_bytes())
            if state.get("_indices_data_files"):
                raise DataError(
                    f"{folder / name}: its rows are kept in another order than they are written, and do not fit "
                    "data.memory_budget: save it again after flatten_indices(), or set a larger budget"
                )
            files = [local(folder / name / file["filename"]) for file in state["_data_files"]]
            found[split_of(Path(name)) or name or "train"] = files
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder}: not a readable Arrow folder: {str(error).splitlines()[0]}") from error
    return found


def shards(file: DataFile) -> tuple[list[Shard], pa.Schema]:
    """Return the record batches of an Arrow stream and its columns; the rows themselves are not read."""
    import pyarrow as pa

    found = []
    try:
        with pa.memory_map(file.name) as mapped:
            reader = pa.ipc.open_stream(mapped)
            while True:
                start = mapped.tell()
                try:
                    batch = reader.read_next_batch()
                except StopIteration:
                    break
                found.append(_batch(file, reader.schema, start, batch.num_rows, batch.nbytes))
        return found, _plain_schema(reader.schema)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file.name}: not a readable Arrow file: {str(error).splitlines()[0]}") from error


def _batch(file: DataFile, schema: pa.Schema, start: int, num_rows: int, num_bytes: int) -> Shard:
    name = f"{file.name}, byte {start}"

    def read(names: Sequence[str]) -> pa.Table:
        import pyarrow as pa

        try:
            with pa.OSFile(file.name) as opened:
                opened.seek(start)
                batch = pa.ipc.read_record_batch(pa.ipc.read_message(opened), schema)
            return _plain(pa.Table.from_batches([batch]).select(list(names)))
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{name}: cannot be read: {str(error).splitlines()[0]}") from error

    return Shard(name, num_rows, num_bytes, read)


def _plain_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema that `_plain` gives a table of this one."""
    import pyarrow as pa

    for place, field in enumerate(schema):
        if isinstance(field.type, pa.BaseExtensionType):
            schema = schema.set(place, pa.field(field.name, field.type.storage_type))
    return name_classes_of(schema)


def _plain(table: pa.Table) -> pa.Table:
    """Undo extension types and name classes, as for a table in memory."""
    import pyarrow as pa

    for place, name in enumerate(table.column_names):
        kind = table.schema.field(name).type
        if isinstance(kind, pa.BaseExtensionType):
            table = table.set_column(place, name, table[name].cast(kind.storage_type))
    return name_classes(table)
