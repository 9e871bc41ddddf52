"""Arrow tables as sources hand them out: unique column names, class labels with their names, parts joined."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw.columns import from_numbers, from_text, one_array, to_numpy
from dlw.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa


def check_names(names: list[str], path: Path | str) -> None:
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
        check_same_columns(path, table.column_names, first_path, first.column_names)
    if len(parts) == 1:
        return first
    try:
        tables = [table.select(first.column_names) for _, table in parts]
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(
            f"{first_path} and the {len(parts) - 1} files with it: columns of different types: {error}"
        ) from error


def check_same_columns(path: Path | str, names: list[str], first_path: Path | str, first: list[str]) -> None:
    """Raise DataError if a file has other columns than the first one."""
    differing = sorted(set(names) ^ set(first))
    if differing:
        raise DataError(f"{path}: its columns differ from those of {first_path}: {', '.join(differing[:5])}")


def name_classes(table: pa.Table) -> pa.Table:
    """Turn integer columns that the `datasets` library wrote as class labels into their names, order kept."""
    import pyarrow as pa

    for name, names in _class_names(table.schema).items():
        if not pa.types.is_integer(table[name].type):
            continue
        codes, is_missing = to_numpy(one_array(table[name].cast(pa.int64())), np.int64)
        is_missing = is_missing | (codes < 0)
        highest = codes.max(initial=-1, where=~is_missing)
        if highest >= len(names):
            raise DataError(f"column {name}: class {highest} where the file names only {len(names)} classes")
        classes = class_array(np.where(is_missing, 0, codes), names, is_missing)
        table = table.set_column(table.column_names.index(name), name, classes)
    return table


def name_classes_of(schema: pa.Schema) -> pa.Schema:
    """Return the schema that `name_classes` gives a table of this one."""
    import pyarrow as pa

    for name in _class_names(schema):
        place = schema.get_field_index(name)
        if pa.types.is_integer(schema.field(place).type):
            classes = pa.dictionary(pa.int32(), pa.large_string(), ordered=True)
            schema = schema.set(place, pa.field(name, classes))
    return schema


def class_array(codes: np.ndarray, names: Sequence[str], is_missing: np.ndarray | None = None) -> pa.Array:
    """Return class labels: a dictionary array that keeps the order of the names."""
    import pyarrow as pa

    indices = from_numbers(codes.astype(np.int32), is_missing)
    return pa.DictionaryArray.from_arrays(indices, from_text(names), ordered=True)


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

    names = from_text(paths)
    empty = pa.nulls(len(names), pa.binary())
    return pa.StructArray.from_arrays([empty, names], ["bytes", "path"], mask=names.is_null())
