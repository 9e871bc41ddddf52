"""`inputs: auto`: what each column is, decided from the training split and told."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from dlw.fields._columns import family
from dlw.progress import Listener
from dlw.recipe.schema import Block

if TYPE_CHECKING:
    import pyarrow as pa


def decide(train: pa.Table, left_out: Collection[str], listener: Listener) -> dict[str, Block]:
    """Return a field for every column worth learning from; each column left out is told with the reason."""
    types = {
        "numbers": "number",
        "truth values": "category",
        "text": "category",
        "times": "timestamp",
        "pictures": "image",
    }
    blocks = {}
    for name in train.column_names:
        if name not in left_out:
            blocks[name] = Block(type=types[family(train[name].type)])
    return blocks
