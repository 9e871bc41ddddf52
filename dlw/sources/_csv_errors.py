"""What is wrong with a CSV file, said with file and line: read again slowly after the fast reader has refused it."""

from __future__ import annotations

import codecs
import csv
from pathlib import Path

from dlw.errors import DataError

_BLOCK_BYTES = 1 << 20
_FIELD_CHARACTERS = 1 << 20


def check_encoding(path: Path, encoding: str) -> None:
    """Raise DataError for an empty file, and for an encoding that the first bytes give away."""
    with path.open("rb") as file:
        start = file.read(4096)
    if not start.strip():
        raise DataError(f"{path}: the file is empty: 0 rows found, a header and rows are needed")
    if codecs.lookup(encoding).name.startswith(("utf-16", "utf-32")):
        return
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{path}: byte 0: this is UTF-16 text; {_cure(encoding, 'utf-16')}")
    if b"\0" in start:
        cure = _cure(encoding, "utf-16-le")
        raise DataError(f"{path}: byte {start.index(0)}: a NUL byte; if this is UTF-16, {cure}")


def explain(path: Path, delimiter: str, encoding: str, reason: str) -> str:
    """Return where and why a file cannot be read as CSV; `reason` is the fast reader's own word."""
    return (
        _wrong_bytes(path, encoding)
        or _wrong_line(path, delimiter, encoding)
        or f"{path}: not readable as CSV: {reason.splitlines()[0]}"
    )


def _cure(encoding: str, other: str) -> str:
    """Say what helps wherever the file was given: also a run reads new files in the encoding of its recipe."""
    return f"save the file as {encoding}, or name its encoding in the recipe's source: `encoding: {other}`, say"


def _wrong_bytes(path: Path, encoding: str) -> str | None:
    decoder = codecs.getincrementaldecoder(encoding)()
    offset = 0
    with path.open("rb") as file:
        is_end = False
        while not is_end:
            block = file.read(_BLOCK_BYTES)
            is_end = not block
            held = len(decoder.getstate()[0])
            try:
                decoder.decode(block, is_end)
            except UnicodeDecodeError as error:
                place = offset - held + error.start
                return (
                    f"{path}: byte {place}: {error.object[error.start]:#04x} is not {encoding} text; "
                    f"{_cure(encoding, 'latin-1')}"
                )
            except UnicodeError as error:
                return f"{path}: is not {encoding} text ({error}); {_cure(encoding, 'utf-8')}"
            offset += len(block)
    return None


def _wrong_line(path: Path, delimiter: str, encoding: str) -> str | None:
    csv.field_size_limit(_FIELD_CHARACTERS)
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        start = 1
        header: list[str] | None = None
        try:
            for cells in reader:
                if header is None and cells:
                    header = cells
                elif header is not None and cells and len(cells) != len(header):
                    return f"{path}:{start}: {len(cells)} cells where the header has {len(header)}: {_row(cells)}"
                start = reader.line_num + 1
        except csv.Error as error:
            return f"{path}:{start}: {error} (a stray or unclosed quote?)"
    return None


def _row(cells: list[str]) -> str:
    text = ", ".join(cells)
    return repr(text if len(text) <= 60 else text[:57] + "...")
