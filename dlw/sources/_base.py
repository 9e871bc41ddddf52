"""The contract of a source: named tables of rows.

A plug-in file holds a docstring, a frozen pydantic `Settings`, `claims(path) -> bool` (does this local path look like
mine, used when the recipe gives a bare path), and `open_tables(settings, cache) -> dict[str, pyarrow.Table]`: one table
per split the source knows ("train", "validation", "test"; a single file without splits is "train"). Tables may be
memory-mapped; pictures are columns of struct<bytes: binary, path: string> as in the `datasets` library.
`cache` is the only folder a source may write to.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class SourceSettings(BaseModel):
    """Base of every source's Settings: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
