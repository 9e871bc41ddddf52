"""Opening pictures: any common format, one layout, every failure a reason and never an exception.

Turned upright by EXIF, transparency laid over white, 16-bit grey scaled to 8 bits. The size is read from the header
before anything is decoded.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dlw.fields._files import File, in_threads
from dlw.fields._png import decode_plain

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    struct.error,
    zlib.error,
)
"""What Pillow's readers raise for broken files."""
MEAN, DEVIATION = 128.0, 48.0
"""Of a standardised picture: 2.6 deviations fit on either side of the middle of 0 to 255."""
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_EXIF_ORIENTATION = 0x0112
_ROWS_A_TASK = 1024


@dataclass(frozen=True)
class Layout:
    """The one shape all pictures of a column get."""

    height: int
    width: int
    channels: int
    resize: str
    max_pixels: int
    standardise: bool = False


@dataclass(frozen=True)
class Size:
    """Most common size, and the channels that hold every picture."""

    height: int
    width: int
    channels: int


def open_picture(picture: File, max_pixels: int) -> Image:
    """Read the header; raises one of DECODING_ERRORS."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # the limit below comes before decoding and is the recipe's
    data = picture.read()
    if not data:
        raise OSError("the file is empty")
    opened = Image.open(io.BytesIO(data), formats=FORMATS)
    if opened.width * opened.height > max_pixels:
        raise ValueError(
            f"{opened.width} x {opened.height} = {opened.width * opened.height:,} pixels, the limit is "
            f"{max_pixels:,} (max_pixels)"
        )
    return opened


def reason(picture: File, error: BaseException) -> str:
    """Say in one line why a picture cannot be used."""
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return f"{picture.name}: not a picture (none of {', '.join(FORMATS)})"
    if isinstance(error, OSError) and error.strerror:
        return f"{picture.name}: {error.strerror}"
    return f"{picture.name}: {' '.join(str(error).split()) or type(error).__name__}"


def measure(pictures: Sequence[File], max_pixels: int) -> Size | None:
    """Return the most common upright size and the channels needed, None if no picture opens."""
    sizes: Counter[tuple[int, int]] = Counter()
    channels = 1
    for picture in pictures:
        try:
            opened = open_picture(picture, max_pixels)
            width, height = upright_size(opened)
        except DECODING_ERRORS:
            continue
        sizes[(height, width)] += 1
        grey = opened.mode in ("1", "L", "I", "F") or opened.mode.startswith("I;16")
        channels = max(channels, 1 if grey else 3)
    if not sizes:
        return None
    most = max(sizes.values())
    height, width = max(size for size, count in sizes.items() if count == most)
    return Size(height, width, channels)


def decode(pictures: Sequence[File], layout: Layout) -> tuple[np.ndarray, dict[int, str]]:
    """Return uint8 [N, C, H, W] and the reason for each row that stays zero."""
    shape = (layout.channels, layout.height, layout.width)
    pixels = np.zeros((len(pictures), *shape), np.uint8)
    bad: dict[int, str] = {}

    def work(rows: range) -> None:
        start = rows[0]
        places, plain = decode_plain([pictures[row].data for row in rows], shape)
        pixels[start + places] = plain
        done = set((start + places).tolist())
        for row in rows:
            if row not in done:
                try:
                    pixels[row] = _decode_one(pictures[row], layout)
                except DECODING_ERRORS as error:
                    bad[row] = reason(pictures[row], error)
        if layout.standardise:
            for row in rows:
                _standardise(pixels[row, :3])  # opacity stays as it is

    in_threads(work, len(pictures), _ROWS_A_TASK)
    return pixels, dict(sorted(bad.items()))


def _standardise(pixels_CHW: np.ndarray) -> None:
    """Bring a picture, in place, to one mean and deviation over its pixels that are not black, clipped to 1..255."""
    is_seen_HW = pixels_CHW.any(axis=0)
    seen_CP = pixels_CHW[:, is_seen_HW].astype(np.float32)
    if seen_CP.size:
        scale = DEVIATION / max(float(seen_CP.std()), 1.0)
        pixels_CHW[:, is_seen_HW] = ((seen_CP - seen_CP.mean()) * scale + MEAN).round().clip(1, 255)


def _decode_one(picture: File, layout: Layout) -> np.ndarray:
    opened = open_picture(picture, layout.max_pixels)
    if opened.format == "JPEG":
        opened.draft(None, (2 * layout.width, 2 * layout.height))
    array = np.asarray(fit_size(to_mode(upright(opened), _MODES[layout.channels]), layout))
    return array[None] if layout.channels == 1 else array.transpose(2, 0, 1)


def upright(image: Image) -> Image:
    """Turn a picture as its EXIF orientation asks."""
    from PIL import ImageOps

    return ImageOps.exif_transpose(image) if _EXIF_ORIENTATION in image.getexif() else image


def to_mode(image: Image, mode: str) -> Image:
    """Convert to L, RGB or RGBA."""
    from PIL import Image

    if image.mode == mode:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_8_bits(image)
    if mode != "RGBA" and ("A" in image.mode or "a" in image.mode or "transparency" in image.info):
        over = image.convert("RGBA")
        white = Image.new("RGBA", over.size, "white")
        image = Image.alpha_composite(white, over)
    return image.convert(mode)


def _to_8_bits(image: Image) -> Image:
    """Bring 16-bit grey to 0..255; wider values are already in that range or cannot be known."""
    from PIL import Image

    numbers = np.asarray(image)
    if image.mode == "F" or numbers.max(initial=0) > 65535 or numbers.min(initial=0) < 0:
        raise ValueError(f"mode {image.mode} has no range of its own; save it as 8 or 16-bit grey")
    return Image.fromarray((numbers.astype(np.uint32) >> 8).astype(np.uint8))


def fit_size(image: Image, layout: Layout, border: int | None = None, *, is_smooth: bool = True) -> Image:
    """Bring a picture to the layout's size; `border` is the value of what `pad` adds, `is_smooth` mixes neighbours."""
    from PIL import Image, ImageOps

    size = (layout.width, layout.height)
    if image.size == size:
        return image
    method = Image.Resampling.BILINEAR if is_smooth else Image.Resampling.NEAREST
    if layout.resize == "stretch":
        return image.resize(size, method)
    if layout.resize == "crop":
        return ImageOps.fit(image, size, method)
    return ImageOps.pad(image, size, method, color=border)


class Placement(NamedTuple):
    """How `fit_size` places a picture: a point (x, y) of the picture lies at (x * scale_x + shift_x, ...) after it."""

    scale_x: float
    scale_y: float
    shift_x: float
    shift_y: float


def placement(width: int, height: int, layout: Layout) -> Placement:
    """Return where `fit_size` puts a picture of this size."""
    if layout.resize == "stretch":
        return Placement(layout.width / width, layout.height / height, 0.0, 0.0)
    by_width, by_height = layout.width / width, layout.height / height
    if layout.resize == "crop":
        scale = max(by_width, by_height)
        return Placement(scale, scale, (layout.width - width * scale) / 2, (layout.height - height * scale) / 2)
    # Pillow rounds the size of the whole picture and the width of the border.
    inner_width = layout.width if by_width <= by_height else round(width * by_height)
    inner_height = layout.height if by_height <= by_width else round(height * by_width)
    shift_x, shift_y = round((layout.width - inner_width) * 0.5), round((layout.height - inner_height) * 0.5)
    return Placement(inner_width / width, inner_height / height, shift_x, shift_y)


def upright_size(opened: Image) -> tuple[int, int]:
    """Return width and height of an opened picture, turned as its EXIF orientation asks."""
    is_turned = opened.getexif().get(_EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
    return (opened.height, opened.width) if is_turned else (opened.width, opened.height)


def encode_png(pixels_CHW: np.ndarray) -> bytes:
    """Return one picture as a PNG file."""
    from PIL import Image

    array = pixels_CHW[0] if len(pixels_CHW) == 1 else pixels_CHW.transpose(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array)).save(file, format="PNG")
    return file.getvalue()
