"""Numbers with their ranges, and amounts as text, as the sections of a recipe take them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

Fraction = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Interval = Annotated[str, StringConstraints(pattern=r"^[1-9]\d{0,8} (epochs?|steps?|minutes?)$")]
"""A duration as text: `1 epoch`, `500 steps`, `10 minutes`."""


Bytes = Annotated[str, StringConstraints(pattern=r"^\d{1,9}(\.\d{1,6})? ?(KiB|MiB|GiB|TiB|KB|MB|GB|TB)$")]
"""An amount of memory as text: `2 GiB`, `500 MB`."""
