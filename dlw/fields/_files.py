"""Values that are files, such as pictures and recordings: the bytes, or where they lie."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dlw.columns import one_array
from dlw.errors import DataError
from dlw.fields._columns import family

if TYPE_CHECKING:
    import pyarrow as pa

_MAX_THREADS = 8


@dataclass(frozen=True)
class File:
    """One value of a column of files: the file's bytes, or where they lie; `what` it should be."""

    data: bytes | None
    path: str | None
    what: str = "picture"

    @property
    def name(self) -> str:
        """The file name, for reasons."""
        return self.path or f"a {self.what} without a file name"

    def check(self) -> None:
        """Raise OSError where there is nothing that can be read: no value, or not a regular file."""
        if self.data is not None:
            return
        if self.path is None:
            raise OSError(f"there is no {self.what}")
        if not stat.S_ISREG(os.stat(self.path).st_mode):
            raise OSError("not a regular file")

    def read(self) -> bytes:
        """Return the file's bytes; OSError if it is not a regular file."""
        self.check()
        return self.data if self.data is not None else Path(str(self.path)).read_bytes()


def read_files(values: pa.ChunkedArray, name: str, what: str = "picture") -> list[File]:
    """Take the files out of a column of struct<bytes, path>, of bytes, or of file paths."""
    held = family(values.type)
    array = one_array(values)
    if held == "text":
        return [File(None, path, what) for path in array.to_pylist()]
    if held == "nothing":
        return [File(None, None, what)] * len(array)
    if held != "pictures":
        raise DataError(f"column {name}: holds {held} ({values.type}) where {what}s are needed")
    if not hasattr(array, "field"):
        return [File(data, None, what) for data in array.to_pylist()]
    names = [field.name for field in array.type]
    paths = array.field("path").to_pylist() if "path" in names else [None] * len(array)
    return [File(data, path, what) for data, path in zip(array.field("bytes").to_pylist(), paths, strict=True)]


def in_threads(work: Callable[[range], None], count: int, rows_a_task: int) -> None:
    """Call `work` with the rows from 0 to `count` in pieces; decoders let threads run side by side."""
    pieces = [range(start, min(start + rows_a_task, count)) for start in range(0, count, rows_a_task)]
    with ThreadPoolExecutor(min(_MAX_THREADS, os.cpu_count() or 1)) as pool:
        list(pool.map(work, pieces))
