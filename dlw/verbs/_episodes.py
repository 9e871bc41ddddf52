"""Few-shot episodes as the test split: in each, some rows search and the others can be found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dlw.columns import from_text, to_codes
from dlw.errors import DataError
from dlw.progress import Listener
from dlw.recipe.schema import Recipe
from dlw.specs import Outcome
from dlw.verbs._fitted import missing_columns
from dlw.verbs._sources import open_source

if TYPE_CHECKING:
    import pyarrow as pa

SPLIT = "test"


def open_episodes(recipe: Recipe, root: Path, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Return the recipe's episodes as the test split, nothing if it has none.

    The target of a row becomes its class within its episode. Raises DataError where the columns are not there.
    """
    episodes = recipe.evaluate.episodes
    if episodes is None:
        return {}
    import pyarrow as pa

    parts = list(open_source(episodes.source, root, cache, listener).values())
    table = parts[0] if len(parts) == 1 else pa.concat_tables(parts, promote_options="default")
    named = [episodes.within, episodes.answer, episodes.role]
    missing = [name for name in named if name not in table.column_names]
    if missing:
        raise DataError(f"evaluate.episodes: {missing_columns(missing, table.column_names)}")
    if episodes.found not in (roles := to_codes(table[episodes.role])[1]):
        raise DataError(f"evaluate.episodes: no row has {episodes.found!r} as {episodes.role}; there are {roles[:10]}")
    within, label = (table[name].to_pylist() for name in (episodes.within, episodes.answer))
    target = next(iter(recipe.data.target))
    classes = from_text([f"{episode}/{name}" for episode, name in zip(within, label, strict=True)])
    if target in table.column_names:
        table = table.drop_columns([target])
    return {SPLIT: table.append_column(target, classes)}


def in_episodes(outcome: Outcome, recipe: Recipe, split: str, rows: pa.Table) -> Outcome:
    """Let the vectors of `rows` meet within their episodes only, where they are the recipe's."""
    episodes = recipe.evaluate.episodes
    if episodes is None or split != SPLIT:
        return outcome
    codes, roles = to_codes(rows[episodes.role])
    is_found = codes == roles.index(episodes.found)
    return replace(outcome, group=to_codes(rows[episodes.within])[0], is_found=is_found)
