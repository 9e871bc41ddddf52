"""Lists of ids as a column holds them: lists, lists of records {id, title}, or text with blanks between the ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlw.columns import one_array
from dlw.errors import DataError
from dlw.fields._base import State
from dlw.fields._columns import family
from dlw.fields._words import word
from dlw.specs import FieldSpec

if TYPE_CHECKING:
    import pyarrow as pa


def read_lists(values: pa.ChunkedArray, name: str) -> tuple[list[list[str | None]], dict[str, str]]:
    """Return the ids of each row, None for a gap in a list, and the title of each id; a missing row is an empty one."""
    held = family(values.type)
    if held not in ("lists", "text", "numbers", "nothing"):
        raise DataError(f"column {name}: holds {held} ({values.type}) where lists of ids are needed")
    titles: dict[str, str] = {}
    rows: list[list[str | None]] = []
    for value in one_array(values).to_pylist():
        items = value if isinstance(value, list) else [] if value is None else word(value).split()
        rows.append([_id(item, titles, name) for item in items])
    return rows, titles


def describe(state: State) -> FieldSpec:
    """Describe the steps of fitted lists; the labels name the ids from 1 on."""
    statistics = {"counts": [state["counts"]], "titles": [state["titles"]]}
    labels = tuple(state["labels"])
    sizes = (len(labels) + 1,)
    return FieldSpec(
        "tokens", (state["length"],), "int32", sizes=sizes, labels=labels, statistics=statistics, is_ragged=True
    )


def _id(item: Any, titles: dict[str, str], name: str) -> str | None:
    if not isinstance(item, dict):
        return None if item is None else word(item)
    if item.get("id") is None:
        raise DataError(f"column {name}: a record of its lists has no id (it has {', '.join(item)})")
    text = word(item["id"])
    if item.get("title") is not None:
        titles[text] = str(item["title"])
    return text
