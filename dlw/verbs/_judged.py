"""The rows that a run is judged on: a split of its recipe's data, or rows of somebody's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from dlw import registry
from dlw.errors import UsageError, did_you_mean
from dlw.progress import Listener
from dlw.recipe.schema import Block
from dlw.shards import ShardedTable
from dlw.specs import Outcome
from dlw.verbs._episodes import in_episodes
from dlw.verbs._memory import budget_bytes
from dlw.verbs._recordings import in_recordings

if TYPE_CHECKING:
    import pyarrow as pa

    from dlw.verbs._trained import Trained

OTHER_ROWS = "data"
"""Stands for the split where rows are given by a path."""


def tables_of(
    trained: Trained, split: str, data: Path | None, listener: Listener, cache: Path | None = None
) -> dict[str, pa.Table]:
    """Return the tables of the recipe's splits and, under the name `split`, the rows at a path where one is given.

    Raises UsageError where there is no such split.
    """
    import pyarrow as pa

    from dlw.verbs._rows import load_tables, open_source

    cache = cache or trained.run.folder / ".cache"
    budget = budget_bytes(trained.recipe)
    tables = load_tables(trained.recipe, trained.root, cache, listener, budget)
    if data is not None:
        given = trained.recipe.data.source
        source: str | Block = str(data)
        if isinstance(given, Block) and "path" in given.options:
            source = Block.model_validate({**given.options, "type": given.type, "path": str(data)})
        parts = list(open_source(source, Path.cwd(), cache, listener, budget).values())
        if len(parts) > 1 and any(isinstance(part, ShardedTable) for part in parts):
            raise UsageError(f"--data {data}: several splits, and too large to put together in memory: name one file")
        tables[split] = parts[0] if len(parts) == 1 else pa.concat_tables(parts, promote_options="default")
    if split not in tables:
        raise UsageError(f"no split is called {split}{did_you_mean(split, tables)} (there are {', '.join(tables)})")
    return tables


def laid_out(trained: Trained, split: str, table: pa.Table, outcome: Outcome) -> Outcome:
    """Return the outcome of a table's rows in the episodes and recordings that the recipe judges them in."""
    outcome = in_episodes(outcome, trained.recipe, split, table)
    return in_recordings(outcome, table, trained.recipe.evaluate.within)


def refuse_kind(metrics: Mapping[str, ModuleType], kind: str) -> None:
    """Raise UsageError where a metric does not read a kind of outcome, with those that do."""
    unfit = [name for name, module in metrics.items() if kind not in module.KINDS]
    if unfit:
        known = [name for name in registry.names("metrics") if kind in registry.load("metrics", name).KINDS]
        raise UsageError(f"metrics {', '.join(unfit)} do not read {kind}; there are {', '.join(known)}")
