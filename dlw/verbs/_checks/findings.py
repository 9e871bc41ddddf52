"""What a check of the data says, as plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

SHOWN = 5
"""Rows that a finding names."""


@dataclass(frozen=True)
class Finding:
    """One thing to know or to act on. `rows` are examples, counted from 0 in their split."""

    check: str
    severity: Literal["note", "warning"]
    text: str
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class ColumnFacts:
    """A column as the recipe reads it. `missing` is the share of rows without a value, per split."""

    name: str
    field: str
    role: str
    missing: dict[str, float]


@dataclass(frozen=True)
class DataCheck:
    """All that was found. `classes` maps a label to its rows per split; empty where the target has no classes."""

    name: str
    rows: dict[str, int]
    columns: tuple[ColumnFacts, ...]
    classes: dict[str, dict[str, int]]
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able mapping."""
        return asdict(self)
