"""The `datasets` library, quiet: no telemetry, no progress bars, offline unless the recipe names a remote source."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dlw.errors import DataError
from dlw.sources._files import SPLITS, split_of
from dlw.sources._tables import name_classes

if TYPE_CHECKING:
    import pyarrow as pa

_FIXED = {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "HF_UPDATE_DOWNLOAD_COUNTS": "0"}


def quiet(cache: Path, *, is_offline: bool) -> ModuleType:
    """Import `datasets` with its switches set; they are read at import, so they come first."""
    os.environ.update(_FIXED)
    os.environ["HF_HUB_CACHE"] = str(cache / "hub")
    if is_offline:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import datasets

    datasets.config.HF_DATASETS_CACHE = cache / "datasets"
    datasets.disable_progress_bars()
    return datasets


def tables_of(loaded: Any, name: str) -> dict[str, pa.Table]:
    """Return the Arrow tables of a Dataset or DatasetDict, splits under dlw's own names."""
    import datasets

    splits = loaded if isinstance(loaded, datasets.DatasetDict) else {"train": loaded}
    tables: dict[str, pa.Table] = {}
    for split, rows in splits.items():
        known = split_of(Path(str(split))) or str(split)
        if known in tables:
            raise DataError(f"{name}: two of its splits are a {known} split ({', '.join(map(str, splits))})")
        tables[known] = _plain(rows)
    order = [*SPLITS, *(split for split in tables if split not in SPLITS)]
    return {split: tables[split] for split in order if split in tables}


def _plain(rows: Any) -> pa.Table:
    """Return the rows as a plain table: an order or choice kept beside the file is applied, extension types undone."""
    import pyarrow as pa

    table = rows.with_format("arrow")[:]
    for name in table.column_names:
        kind = table.schema.field(name).type
        if isinstance(kind, pa.BaseExtensionType):
            table = table.set_column(table.column_names.index(name), name, table[name].cast(kind.storage_type))
    features = rows.features.arrow_schema.metadata
    return name_classes(table.replace_schema_metadata(features))
