"""`inputs: auto`: what each column is, decided from the training split and told."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw import registry
from dlw.columns import one_array, to_codes
from dlw.errors import DataError
from dlw.fields._columns import family, to_floats
from dlw.progress import Listener
from dlw.recipe.schema import Block
from dlw.sources._files import MEDIA, SOUND_SUFFIXES

if TYPE_CHECKING:
    import pyarrow as pa

MAX_CATEGORIES = 1000
MANY_CATEGORIES = 50
"""Up to this many values a text column is a category however few rows there are."""
MAX_DISTINCT_SHARE = 0.3
RARE = 5
"""In columns of many values, those of fewer training rows count as unknown."""
TEXT_WORDS = 3
"""Words of a value, on average, above which many values are free text."""
TEXT = "text"
MAX_NAMED = 12
_NAME_OF_ID = re.compile(r"(^|[_\W])(id|uuid|guid|index|row_?(id|num|number)?)$", re.IGNORECASE)
_ISO_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?$")


def decide(train: pa.Table, left_out: Collection[str], model: str, listener: Listener) -> dict[str, Block]:
    """Return a field for every column worth learning from; each column left out is told with the reason.

    Free text is left out where the model reads none.
    """
    blocks, reasons = examine(train, left_out)
    if "tokens" not in registry.load("models", model).INPUTS:
        texts = [name for name, block in blocks.items() if block.type == TEXT]
        reasons |= dict.fromkeys(texts, f"it is free text, which model {model} does not read")
        blocks = {name: block for name, block in blocks.items() if name not in texts}
    for name, reason in reasons.items():
        listener.line(f"inputs: auto leaves out {name}: {reason}")
    if blocks:
        listener.line(f"inputs: auto: {_summary(blocks)}")
    return blocks


def examine(train: pa.Table, left_out: Collection[str]) -> tuple[dict[str, Block], dict[str, str]]:
    """Return a field for every column worth learning from, and the reason for every other one."""
    blocks: dict[str, Block] = {}
    reasons: dict[str, str] = {}
    for name in train.column_names:
        if name not in left_out:
            options, reason = _decide(name, train[name])
            if reason is None:
                blocks[name] = Block.model_validate(options)
            else:
                reasons[name] = reason
    return blocks, reasons


def _summary(blocks: dict[str, Block]) -> str:
    """Name every column of a narrow table; of a wide one, count the columns of each type."""
    if len(blocks) <= MAX_NAMED:
        return ", ".join(f"{name}: {block.type}" for name, block in blocks.items())
    counts = Counter(block.type for block in blocks.values())
    return ", ".join(f"{count} columns {kind}" for kind, count in counts.items())


def field_of_files(values: pa.ChunkedArray) -> str | None:
    """Return the field that reads the files a text column names, None where not every value ends like one kind."""
    words = [word.lower() for word in to_codes(values)[1] if word]
    fitting = (name for name, suffixes in MEDIA.items() if all(word.endswith(suffixes) for word in words))
    return next(fitting, None) if words else None


def _decide_files(values: pa.ChunkedArray) -> str:
    """Return the field of a column of files: by their paths, else pictures."""
    if values.type.num_fields == 0:
        return "image"
    names = one_array(values).field("path").to_pylist() if values.type.get_field_index("path") >= 0 else []
    paths = (path for path in names if path)
    return "sound" if next(paths, "").lower().endswith(SOUND_SUFFIXES) else "image"


def _decide(name: str, values: pa.ChunkedArray) -> tuple[dict[str, Any], str | None]:
    """Return the field's block, or the reason why there is none."""
    what = family(values.type)
    if what == "pictures":
        return {"type": _decide_files(values)}, None
    if what == "nothing":
        return {}, "it has no values"
    if what not in ("numbers", "truth values", "text", "times"):
        return {}, f"{what} ({values.type}) are not an input that can be guessed; name it under inputs"
    codes, words = to_codes(values)
    if len(words) < 2 and (len(words) == 0 or (codes >= 0).all()):
        return {}, f"it is {words[0]!r} in every row" if words else "it has no values"
    if what == "truth values":
        return {"type": "category"}, None
    if what == "times":
        return {"type": "timestamp"}, None
    if what == "numbers":
        return _decide_number(name, codes, words)
    return _decide_text(name, values, codes, words)


def _decide_number(name: str, codes: np.ndarray, words: list[Any]) -> tuple[dict[str, Any], str | None]:
    is_whole = all(isinstance(word, int) for word in words)
    is_unique = len(words) == len(codes) and len(words) > 2
    if is_whole and is_unique and (_NAME_OF_ID.search(name) or max(words) - min(words) < 2 * len(words)):
        return {}, "every row has its own number, so it looks like an identifier"
    return {"type": "number"}, None


def _decide_text(
    name: str, values: pa.ChunkedArray, codes: np.ndarray, words: list[str]
) -> tuple[dict[str, Any], str | None]:
    if all(_ISO_DATE.match(word.strip()) for word in words if word.strip()):
        return {"type": "timestamp"}, None
    try:
        to_floats(values, name)
        return {"type": "number"}, None
    except DataError:
        pass  # words, then
    num_known = max(1, int((codes >= 0).sum()))
    if len(words) <= MANY_CATEGORIES:
        return {"type": "category"}, None
    if np.mean([len(word.split()) for word in words]) > TEXT_WORDS:
        return {"type": TEXT}, None
    if len(words) > MAX_DISTINCT_SHARE * num_known:
        return {}, f"it looks like an identifier ({len(words)} different values in {num_known} rows)"
    if len(words) > MAX_CATEGORIES:
        return {}, f"it has {len(words)} different values; name it as a category under inputs if it matters"
    return {"type": "category", "min_count": RARE}, None
