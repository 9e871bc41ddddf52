"""Sizes that only the files tell: pictures, recordings, the grey values of masks; of a sample of the training rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw import registry
from dlw.columns import from_numbers
from dlw.errors import DataError
from dlw.fields import _pictures, _sounds
from dlw.fields._files import read_files

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLED = 200
"""Files that are opened."""
MAX_GREYS = 64
MAX_PIXELS = 10**8
VOID = 255
_NAMES = ("names", "mask_names")


def picture(values: pa.ChunkedArray, name: str) -> tuple[int, int, int]:
    """Return height, width and channels, as the field decides them."""
    module = registry.load("fields", "image")
    state = module.build(module.Settings(), name, "input").fit(values)
    return state["height"], state["width"], state["channels"]


def seconds(values: pa.ChunkedArray, name: str) -> float:
    """Return how long all recordings together are, from the headers of some."""
    found = []
    for file in read_files(_sample(values), name, "recording"):
        try:
            with _sounds.open_sound(file, 3600) as opened:
                found.append(opened.frames / opened.samplerate)
        except _sounds.DECODING_ERRORS:
            continue  # told as bad rows in training
    if not found:
        raise DataError(f"column {name}: none of {len(values)} recordings can be opened")
    return float(np.mean(found)) * len(values)


def mask(values: pa.ChunkedArray, name: str, data: Path) -> tuple[dict[str, Any], str]:
    """Return the options of a mask field and the reason in words, from the files and a table of names beside them."""
    greys: set[int] = set()
    for file in read_files(_sample(values), name):
        try:
            greys |= set(np.unique(np.asarray(_pictures.open_picture(file, MAX_PIXELS))).tolist())
        except _pictures.DECODING_ERRORS:
            continue
    if greys <= {0, 1} and data.is_dir():
        return _named(data, greys)
    if greys == {0, VOID}:
        return {"classes": ["background", "object"], "greys": [0, VOID]}, "the masks hold 0 and 255"
    ids = sorted(greys - {VOID})
    if ids and len(ids) <= MAX_GREYS and ids[-1] > 2 * len(ids):
        return {"greys": ids}, "the grey values that the masks hold, in order"
    return _named(data, greys)


def _named(data: Path, greys: set[int]) -> tuple[dict[str, Any], str]:
    """Read the names of the classes from a JSON file with `names`, and which is no class (`ignore_index`)."""
    for file in sorted(data.glob("*.json")) if data.is_dir() else ():
        try:
            tree = json.loads(file.read_text("utf-8"))
        except (ValueError, OSError):
            continue
        names = next((tree[key] for key in _NAMES if isinstance(tree, dict) and key in tree), None)
        if isinstance(names, list) and all(isinstance(word, str) for word in names) and len(names) > 1:
            void = tree.get("ignore_index")
            is_last = isinstance(void, int) and void == len(names) - 1
            if max(greys - {VOID}, default=0) < len(names):
                names = names[:-1] if is_last else names
                return {"classes": names, **({"void": void} if isinstance(void, int) else {})}, f"named in {file.name}"
    return {}, "numbered as in the masks"


def _sample(values: pa.ChunkedArray) -> pa.ChunkedArray:
    step = max(1, len(values) // SAMPLED)
    return values.take(from_numbers(np.arange(0, len(values), step)))
