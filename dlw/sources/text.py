"""Plain text: .txt files whose lines, paragraphs or whole contents are the rows of one column, `text`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from dlw.errors import DataError
from dlw.progress import Listener
from dlw.sources._base import SourceSettings
from dlw.sources._encodings import Encoding
from dlw.sources._files import find, has_suffix, walk
from dlw.sources._tables import join

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".txt",)
COLUMN = "text"
_PIECES = {"lines": r"[^\n]*\n|[^\n]+", "paragraphs": r"[^\n]+(?:\n[^\n]+)*\n*|\n+", "documents": r"[\s\S]+"}
_PATTERNS = {rows: re.compile(pattern) for rows, pattern in _PIECES.items()}


class Settings(SourceSettings):
    """Options of plain text."""

    path: str | list[str] = Field(description="File, files, glob or folder.")
    rows: Literal["lines", "paragraphs", "documents"] = Field(
        "lines", description="What a row is; paragraphs end with an empty line, a document is a whole file."
    )
    breaks: bool = Field(
        False, description="Keep the line breaks that end a row, and empty rows: joined, the rows are the file again."
    )
    encoding: Encoding = Field("utf-8", description="Text encoding, such as latin-1 or utf-16.")


def claims(path: Path) -> bool:
    """Tell whether a path is a text file, or a folder that holds nothing else."""
    if not path.is_dir():
        return has_suffix(path, SUFFIXES)
    files = list(walk(path))
    return bool(files) and all(has_suffix(file, SUFFIXES) for file in files)


def open_tables(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Read the files of each split."""
    found = find(settings.path, SUFFIXES, listener)
    return {split: join([(file, _read(file, settings)) for file in files]) for split, files in found.items()}


def _read(file: Path, settings: Settings) -> pa.Table:
    import pyarrow as pa

    try:
        content = file.read_bytes().decode(settings.encoding)
        content.encode()  # some encodings give surrogates, which no text holds
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file}: byte {error.start} is not {settings.encoding} ({error.reason}); set encoding to the file's own"
        ) from error
    except UnicodeEncodeError as error:
        raise DataError(
            f"{file}: character {error.start} is a surrogate as {settings.encoding}; set encoding to the file's own"
        ) from error
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror})") from error
    content = content.removeprefix("\ufeff").replace("\r\n", "\n")
    if not settings.breaks:
        content = content.replace("\r", "\n")  # else kept: joined, the rows are the file again
    rows = _PATTERNS[settings.rows].findall(content)
    if not settings.breaks:
        rows = [row for row in (row.rstrip("\n") for row in rows) if row]
    return pa.table({COLUMN: pa.array(rows, pa.large_string())})
