"""The contract of a source: named tables of rows.

A plug-in file holds a docstring, a frozen pydantic `Settings` with the key `path` (a path, a glob, or a list of them),
and `open_tables(settings, cache, listener) -> dict[str, pyarrow.Table]`: one table per split the source knows ("train",
"validation", "test"; a single file without splits is "train"). Where a recipe gives a bare path, the source is found by
its `claims(path) -> bool`; one without it is asked for by name, as its files could as well be another's.
Tables may be memory-mapped. Pictures are columns of struct<bytes: binary, path: string> as in the `datasets` library,
with an absolute path where `bytes` is null; class labels are dictionary columns with `ordered` set, in the order of
their names.
A source whose rows are not those of the file may hold `open_questions(settings, cache, listener)`: the rows to predict
for, from a file of the same form; a file that already holds such rows is returned as it is. Its
`SUFFIXES` are how the names of such files end; all others are read as they are.
`cache` is the only folder a source may write to. Things skipped are told to the listener, never silently.
pyarrow and the `datasets` library are imported inside functions: a bundle predicts without `datasets`, and checking a
recipe waits for neither.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class SourceSettings(BaseModel):
    """Base of every source's Settings: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
