"""Masks of predictions, brought from the network's pixels to those of the pictures as they were given."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw.fields._pictures import Layout, encode_png, placement
from dlw.specs import VOID
from dlw.verbs._fitted import Fitted
from dlw.verbs._given_pictures import given_pictures

if TYPE_CHECKING:
    import pyarrow as pa

MASK = "mask"
"""Column of the task segmentation: for each row a PNG file with a class id in each pixel."""


def on_given_pictures(columns: Mapping[str, Any], fitted: Fitted, table: pa.Table, rows: np.ndarray) -> dict[str, Any]:
    """Return a task's columns with each mask as large as its picture; what `resize: crop` cut off is void."""
    if fitted.target.kind != "mask":
        return dict(columns)
    layout, sizes = given_pictures(fitted, table, rows)
    masks = [_placed_back(mask, size, layout) for mask, size in zip(columns[MASK], sizes, strict=True)]
    return {**columns, MASK: masks}


def _placed_back(mask: dict[str, Any], size: tuple[int, int], layout: Layout) -> dict[str, Any]:
    from PIL import Image

    if size == (layout.width, layout.height):
        return mask
    ids_HW = np.asarray(Image.open(io.BytesIO(mask["bytes"])))
    place = placement(*size, layout)
    xs_W = np.floor((np.arange(size[0]) + 0.5) * place.scale_x + place.shift_x).astype(np.int64)
    ys_H = np.floor((np.arange(size[1]) + 0.5) * place.scale_y + place.shift_y).astype(np.int64)
    inside_HW = ((ys_H >= 0) & (ys_H < layout.height))[:, None] & ((xs_W >= 0) & (xs_W < layout.width))
    nearest_HW = ids_HW[ys_H.clip(0, layout.height - 1)[:, None], xs_W.clip(0, layout.width - 1)]
    return {"bytes": encode_png(np.where(inside_HW, nearest_HW, VOID).astype(np.uint8)[None]), "path": None}
