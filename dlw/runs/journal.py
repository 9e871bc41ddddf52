"""The journal of a run: metrics.jsonl, one JSON object a line, each with the `step` it belongs to.

A resumed run cuts the journal at the step it resumes from and writes the rest again: the file ends up byte for byte
that of an uninterrupted run, so nothing that depends on the clock belongs in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlw.errors import RunError
from dlw.runs import disk

MAX_BYTES = 2**30


class Journal:
    """Appends to and reads a run's metrics.jsonl."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, record: Mapping[str, Any]) -> None:
        """Add one line; `record["step"]` is an int. NaN and infinity are written as null, which JSON has."""
        assert isinstance(record["step"], int), "the step says where a resume cuts"
        line = json.dumps(disk.finite(record), allow_nan=False, separators=(", ", ": "))
        disk.append(self._path, line.encode() + b"\n")

    def truncate_after(self, step: int) -> None:
        """Drop the lines of later steps, and a last line that was cut off in the middle."""
        data = self._bytes()
        end = sum(len(line) for line, record in self._lines(data) if record["step"] <= step)
        if end != len(data):
            disk.truncate(self._path, end)

    def read(self) -> list[dict[str, Any]]:
        """Return the complete records, oldest first; raises RunError naming a damaged line."""
        return [record for _, record in self._lines(self._bytes())]

    def _bytes(self) -> bytes:
        try:
            data = bytes(disk.read(self._path, MAX_BYTES))
        except FileNotFoundError:
            return b""
        if len(data) > MAX_BYTES:
            raise RunError(f"{self._path}: longer than {MAX_BYTES:,} bytes")
        return data

    def _lines(self, data: bytes) -> list[tuple[bytes, dict[str, Any]]]:
        found = []
        for number, line in enumerate(data.splitlines(keepends=True), start=1):
            if not line.endswith(b"\n"):
                break
            try:
                record = json.loads(line)
                is_record = type(record["step"]) is int
            except (ValueError, TypeError, KeyError, RecursionError):
                is_record = False
            if not is_record:
                raise RunError(f"{self._path}:{number}: damaged line; repair or remove it")
            found.append((line, record))
        return found
