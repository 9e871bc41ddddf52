"""Data by content: the sha256 of files and of rows, so that two people can tell whether they speak of the same data."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlw.recipe.places import exists, located
from dlw.recipe.schema import Block
from dlw.remote import is_remote
from dlw.runs.seal import of_file
from dlw.shards import ShardedTable
from dlw.sources._files import split_of, walk
from dlw.verbs._leaks import plain_values

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_AT_ONCE = 4096
_HUB = "hub"

Source = str | list[str] | Block


def data_files(source: Source, root: Path) -> dict[str, Path] | None:
    """Return the files of a source by their names below the folder that holds them all; None where it is no files.

    A file that is gone is left out.
    """
    given = source.options.get("path") if isinstance(source, Block) else source
    texts = [given] if isinstance(given, str) else list(given or ())
    if not texts or any(map(is_remote, texts)) or (isinstance(source, Block) and source.type == _HUB):
        return None
    places = [located(text, root) for text in texts]
    found: list[Path] = []
    tops: list[Path] = []
    for place in places:
        path = Path(place)
        if path.is_dir():
            tops.append(path)
            found += walk(path)
        elif glob.has_magic(place) and not path.exists():
            found += [Path(name) for name in sorted(glob.glob(place, recursive=True)) if Path(name).is_file()]
        elif exists(place):
            found.append(path)
    if not found:
        return None
    top = os.path.commonpath([*tops, *(file.parent for file in found)])
    return {file.relative_to(top).as_posix(): file for file in found}


def describe(
    source: Source, root: Path, tables: Mapping[str, pa.Table], content: Callable[[Path], dict[str, Any]] = of_file
) -> dict[str, Any]:
    """Return what a run's manifest says of its data, JSON-able: rows per split, and files or, without, rows by content.

    A file's `split` is what its name says, null where a file is cut into several; `content` gives its size and sha256.
    """
    files = data_files(source, root)
    counted = {split: {"rows": len(table)} for split, table in tables.items()}
    if files is None:
        return {"splits": {split: {**counted[split], "sha256": of_rows(table)} for split, table in tables.items()}}
    listed = {name: {"split": split_of(Path(name)), **content(file)} for name, file in files.items()}
    return {"splits": counted, "files": listed}


def of_rows(table: pa.Table) -> str:
    """Return one sha256 that stands for the names and values of all columns and the order of the rows; of a table that
    stays far away, for its files as far as they are told apart."""
    if isinstance(table, ShardedTable):
        return hashlib.sha256(table.digest()).hexdigest()
    columns = of_columns(table, table.column_names)
    return hashlib.sha256("\n".join(f"{name} {digest}" for name, digest in columns.items()).encode()).hexdigest()


def of_columns(table: pa.Table, names: Sequence[str]) -> dict[str, str]:
    """Return the sha256 of the values of each column; pictures and recordings count by their content."""
    return {name: _of_column(table[name]) for name in names}


def _of_column(values: pa.ChunkedArray) -> str:
    digest = hashlib.sha256()
    plain = plain_values(values)
    for start in range(0, len(plain), _ROWS_AT_ONCE):
        digest.update(repr(plain.slice(start, _ROWS_AT_ONCE).to_pylist()).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
