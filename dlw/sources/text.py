"""Plain text: .txt files whose lines, paragraphs or whole contents are the rows of one column, `text`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from dlw.progress import Listener
from dlw.sources._base import SourceSettings
from dlw.sources._encodings import Encoding
from dlw.sources._files import find, has_suffix
from dlw.sources._tables import join
from dlw.sources._text_files import COLUMN, SUFFIXES, has_classes, holds_texts, read

if TYPE_CHECKING:
    import pyarrow as pa

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
    """Tell whether a path is a text file, or a folder of nothing else whose files are in no class folders."""
    if not path.is_dir():
        return has_suffix(path, SUFFIXES)
    return holds_texts(path) and not has_classes(path)


def open_tables(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Read the files of each split."""
    found = find(settings.path, SUFFIXES, listener)
    return {split: join([(file, _read(file, settings)) for file in files]) for split, files in found.items()}


def _read(file: Path, settings: Settings) -> pa.Table:
    import pyarrow as pa

    content = read(file, settings.encoding)
    if not settings.breaks:
        content = content.replace("\r", "\n")  # else kept: joined, the rows are the file again
    rows = _PATTERNS[settings.rows].findall(content)
    if not settings.breaks:
        rows = [row for row in (row.rstrip("\n") for row in rows) if row]
    return pa.table({COLUMN: pa.array(rows, pa.large_string())})
