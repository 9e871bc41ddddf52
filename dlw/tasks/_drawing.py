"""Drawing answers over pictures with numpy and Pillow, for the tasks whose answers lie on a picture."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dlw.specs import VOID

if TYPE_CHECKING:
    from PIL.Image import Image

_GOLDEN_TURN = 0.618033988749895
_OPACITY = 0.55


def colour(place: int) -> tuple[int, int, int]:
    """Return the colour of a class: neighbours in number lie far apart on the colour wheel."""
    value = 1.0 if place % 2 == 0 else 0.75
    red, green, blue = colorsys.hsv_to_rgb((0.98 + place * _GOLDEN_TURN) % 1.0, 0.85, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def tint(picture: Image, ids_HW: np.ndarray, background: int | None) -> Image:
    """Lay the colour of each pixel's class over an RGB picture; `background` and pixels not known stay bare."""
    from PIL import Image

    colours = np.array([colour(place) for place in range(256)], np.float32)
    pixels = np.asarray(picture, np.float32)
    is_bare = ids_HW == VOID
    if background is not None:
        is_bare |= ids_HW == background
    mixed = (1 - _OPACITY) * pixels + _OPACITY * colours[ids_HW]
    return Image.fromarray(np.where(is_bare[..., None], pixels, mixed).round().astype(np.uint8))


def heat(picture: Image, error_hw: np.ndarray, full: float) -> Image:
    """Redden an RGB picture where errors are large: all red at `full`, or at the largest if that is more."""
    from PIL import Image

    top = max(full, float(error_hw.max()), 1e-12)
    share = Image.fromarray((255 * np.clip(error_hw.astype(np.float32) / top, 0, 1)).astype(np.uint8))
    share_HW1 = np.asarray(share.resize(picture.size, Image.Resampling.BILINEAR), np.float32)[..., None] / 255
    pixels = np.asarray(picture, np.float32)
    mixed = pixels + share_HW1 * (np.array([255, 0, 0], np.float32) - pixels)
    return Image.fromarray(mixed.round().astype(np.uint8))


def png_of_ids(ids_HW: np.ndarray) -> bytes:
    """Return class ids as a grey PNG file, the id itself in each pixel."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(ids_HW).save(file, format="PNG", optimize=True)
    return file.getvalue()


def frame(picture: Image, boxes_D4: np.ndarray, classes: Sequence[int], texts: Sequence[str]) -> Image:
    """Draw boxes (left, top, right, bottom) with a text each over an RGB picture; the last box lies on top.

    A text stands above its box, moved to the left where it would leave the picture.
    """
    from PIL import ImageDraw

    framed = picture.copy()
    pen = ImageDraw.Draw(framed)
    line = max(1, round(min(picture.size) / 200))
    for box_4, place, text in zip(boxes_D4.tolist(), classes, texts, strict=True):
        left, top, right, bottom = box_4
        pen.rectangle((left, top, max(right, left), max(bottom, top)), outline=colour(place), width=line)
        _, _, width, height = pen.textbbox((0, 0), text)
        corner = max(min(left, framed.width - width), 0), max(top - height, 0)
        pen.rectangle((*corner, corner[0] + width, corner[1] + height), fill=colour(place))
        pen.text(corner, text, fill="black")
    return framed
