"""Arrow tables as sources hand them out: unique column names, class labels with their names, parts joined."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlw.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa


def check_names(names: list[str], path: Path) -> None:
    """Raise DataError if two columns have the same name."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names, start=1):
        places.setdefault(name, []).append(place)
    twice = {name: found for name, found in places.items() if len(found) > 1}
    if twice:
        told = "; ".join(f"{name!r} in columns {', '.join(map(str, found))}" for name, found in twice.items())
        raise DataError(f"{path}: duplicate column names: {told}; rename all but one of each")


def join(parts: list[tuple[Path, pa.Table]]) -> pa.Table:
    """Put the rows of several files under one another; DataError if their columns do not fit."""
    import pyarrow as pa

    first_path, first = parts[0]
    for path, table in parts[1:]:
        if set(table.column_names) != set(first.column_names):
            differing = sorted(set(table.column_names) ^ set(first.column_names))
            raise DataError(f"{path}: its columns differ from those of {first_path}: {', '.join(differing[:5])}")
    if len(parts) == 1:
        return first
    try:
        tables = [table.select(first.column_names) for _, table in parts]
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(
            f"{first_path} and the {len(parts) - 1} files with it: columns of different types: {error}"
        ) from error


def name_classes(table: pa.Table) -> pa.Table:
    """Turn integer columns that the `datasets` library wrote as class labels into their names, order kept."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for name, names in _class_names(table.schema).items():
        column = table[name]
        if not pa.types.is_integer(column.type):
            continue
        codes = pc.if_else(pc.less(column, 0), None, column).cast(pa.int32())
        highest = pc.max(codes).as_py()
        if highest is not None and highest >= len(names):
            raise DataError(f"column {name}: class {highest} where the file names only {len(names)} classes")
        kind = pa.dictionary(pa.int32(), pa.string(), ordered=True)
        words = pa.array(names, pa.string())
        chunks = [pa.DictionaryArray.from_arrays(chunk, words, ordered=True) for chunk in codes.chunks]
        table = table.set_column(table.column_names.index(name), name, pa.chunked_array(chunks, kind))
    return table


def _class_names(schema: pa.Schema) -> dict[str, list[str]]:
    written = (schema.metadata or {}).get(b"huggingface")
    if written is None:
        return {}
    try:
        features: Any = json.loads(written)["info"]["features"]
        return {
            name: [str(word) for word in feature["names"]]
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and name in schema.names
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def pictures_at(paths: Sequence[str | None]) -> pa.Array:
    """Return a picture column, struct<bytes, path>, of files that are read only when needed."""
    import pyarrow as pa

    names = pa.array(paths, pa.string())
    empty = pa.nulls(len(names), pa.binary())
    return pa.StructArray.from_arrays([empty, names], ["bytes", "path"], mask=names.is_null())
