"""Reasons as pictures: red speaks for the answer, blue against it; a deeper colour says more.

Shape legend: H and W pixels, M mel bands, S steps of a spectrum, T steps, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dlw.explainers._base import Map
from dlw.specs import FieldSpec
from dlw.verbs._drawings import as_picture, enlarged, mosaic, png
from dlw.verbs._plots import svg
from dlw.verbs._report.html import Markup, page, tag

if TYPE_CHECKING:
    from PIL.Image import Image

FULL = 99.0
"""Percentile of the sizes of a map that is drawn in full colour: single pixels would leave the rest pale."""
FOR, AGAINST = np.array([214.0, 40.0, 40.0]), np.array([30.0, 90.0, 200.0])
FADED = 0.35
"""Contrast that is left of what lies under a map."""
MOST_POINTS = 720

_STYLE = """body { font: 16px/2 sans-serif; margin: 2rem auto; max-width: 50rem; padding: 0 1rem; }
.token { padding: 0.15em 0.1em; border-radius: 0.2em; }
.note { color: #59636e; font-size: 0.85em; }
"""


def drawn(found: Map, array: np.ndarray, spec: FieldSpec, texts: Sequence[str], title: str) -> tuple[str, bytes] | None:
    """Return the suffix and the content of a file that shows the reasons in one input; None for columns of a table.

    `array` is the encoded input of the row, `texts` are its tokens as text, `title` says what is explained.
    """
    match spec.kind:
        case "image":
            return ".png", png(_picture(array, found.values))
        case "sound" if found.values.ndim == 2:
            assert found.under is not None
            return ".png", png(_spectrum(found.under, found.values))
        case "sound":
            every = -(-len(array) // MOST_POINTS)
            sound_T1, value_T1 = _thinned(array, every, np.mean), _thinned(found.values, every, np.sum)
            return ".svg", svg(spec.columns, sound_T1, value_T1).encode()
        case "series":
            return ".svg", svg(spec.columns, array, found.values).encode()
        case "tokens":
            return ".html", _text(texts, found.values, title).encode()
    return None


def _picture(pixels_CHW: np.ndarray, value_HW: np.ndarray) -> Image:
    from PIL import Image

    picture = as_picture(pixels_CHW)
    heated = Image.fromarray(_tinted(np.asarray(picture.convert("L"), np.float64) / 255, value_HW))
    return mosaic([[enlarged(picture), enlarged(heated)]])


def _spectrum(under_MS: np.ndarray, value_MS: np.ndarray) -> Image:
    """Draw time from left to right and pitch upwards."""
    from PIL import Image

    low, high = under_MS.min(), under_MS.max()
    grey_MS = (under_MS - low) / max(high - low, 1e-9)
    plain = Image.fromarray((255 * grey_MS[::-1]).astype(np.uint8)).convert("RGB")
    heated = Image.fromarray(_tinted(grey_MS[::-1], value_MS[::-1]))
    return mosaic([[enlarged(plain)], [enlarged(heated)]])


def _tinted(grey_HW: np.ndarray, value_HW: np.ndarray) -> np.ndarray:
    """Return uint8 [H, W, 3]: a faded grey picture, coloured by the sign and the size of values."""
    full = float(np.percentile(np.abs(value_HW), FULL)) or float(np.abs(value_HW).max()) or 1.0
    share_HW1 = np.clip(np.abs(value_HW) / full, 0, 1)[..., None]
    ground_HW1 = 255 * (1 - FADED + FADED * grey_HW[..., None])
    colour_HW3 = np.where(value_HW[..., None] > 0, FOR, AGAINST)
    return np.asarray((ground_HW1 + share_HW1 * (colour_HW3 - ground_HW1)).round(), np.uint8)


def _thinned(values_T: np.ndarray, every: int, joined: Callable[..., np.ndarray]) -> np.ndarray:
    """Return [T / every, 1], each the sum or mean of so many steps."""
    padded = np.pad(values_T.astype(np.float64), (0, -len(values_T) % every))
    return joined(padded.reshape(-1, every), axis=1)[:, None]


def _text(texts: Sequence[str], value_T: np.ndarray, title: str) -> str:
    full = float(np.abs(value_T).max(initial=0.0)) or 1.0
    words: list[Markup] = []
    for word, value in zip(texts, value_T.tolist(), strict=True):
        red, green, blue = (FOR if value > 0 else AGAINST).astype(int)
        style = f"background: rgba({red}, {green}, {blue}, {0.8 * abs(value) / full:.2f})"
        words += [tag("span", word or "·", class_="token", style=style, title=f"{value:+.3g}"), Markup(" ")]
    note = "Red speaks for it, blue against it; the deepest colour is "
    body = [tag("h1", title), tag("p", *words), tag("p", f"{note}{full:.3g}.", class_="note")]
    return page(title, Markup("\n".join(body)), _STYLE)
