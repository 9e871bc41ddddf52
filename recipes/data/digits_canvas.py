"""Make digits_canvas/*.parquet: handwritten digits placed on a canvas, with a mask and boxes.

    python recipes/data/digits_canvas.py FOLDER

Two to five digits of digits.parquet, enlarged to 14 to 26 pixels, lie on a grey canvas of 64x64 without their boxes
overlapping by more than a little. Three columns: `image` (grey PNG), `mask` (PNG: 0 canvas, digit + 1 where a digit
lies) and `objects` ({bbox: [[left, top, width, height], ...], category, category_name}). Training canvases use the
first 1,200 digits, validation the next 200, test the last 397, so no digit is seen twice. The same seed gives the same
rows.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

SIDE = 64
SIZES = (14, 26)
LEVELS = 16
"""Grey values that occur: few, so that the files stay small."""
OVERLAP = 2
"""Pixels by which two boxes may overlap."""
SPLITS = {"train": (0, 1200, 180), "validation": (1200, 1400, 40), "test": (1400, 1797, 60)}
"""First digit, last but one, and canvases."""

PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
BOXES = [("bbox", pa.list_(pa.list_(pa.float64()))), ("category", pa.list_(pa.int64()))]
COLUMNS = [
    ("image", PICTURE),
    ("mask", PICTURE),
    ("objects", pa.struct([*BOXES, ("category_name", pa.list_(pa.string()))])),
]


def canvas(digits: list[tuple[np.ndarray, int]], random: np.random.Generator) -> dict[str, Any]:
    """Return one row with these digits (8x8 pictures and their values), as many as find a place."""
    ground, ink = random.integers(0, 5), random.integers(9, LEVELS)
    pixels, mask = np.full((SIDE, SIDE), ground, np.uint8), np.zeros((SIDE, SIDE), np.uint8)
    objects: dict[str, list[Any]] = {"bbox": [], "category": [], "category_name": []}
    for picture, value in digits:
        size = int(random.integers(*SIZES, endpoint=True))
        large = np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC)) / 255
        is_digit = large > 0.4
        rows, columns = np.flatnonzero(is_digit.any(1)), np.flatnonzero(is_digit.any(0))
        large = large[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        is_digit = is_digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        box = place(large.shape, objects["bbox"], random)
        if box is None:
            continue
        left, top, width, height = box
        cut = (slice(top, top + height), slice(left, left + width))
        pixels[cut] = np.maximum(pixels[cut], np.round(ground + (ink - ground) * large))
        mask[cut][is_digit] = value + 1
        for key, item in zip(objects, (list(map(float, box)), value, str(value)), strict=True):
            objects[key].append(item)
    return {"image": png(pixels * (255 // (LEVELS - 1))), "mask": png(mask), "objects": objects}


def place(
    shape: tuple[int, ...], taken: list[list[float]], random: np.random.Generator
) -> tuple[int, int, int, int] | None:
    """Return left, top, width, height of a free place, None if a hundred tries find none."""
    height, width = shape
    for _ in range(100):
        left, top = int(random.integers(0, SIDE - width + 1)), int(random.integers(0, SIDE - height + 1))
        if all(
            min(left + width, x + w) - max(left, x) <= OVERLAP or min(top + height, y + h) - max(top, y) <= OVERLAP
            for x, y, w, h in taken
        ):
            return left, top, width, height
    return None


def png(pixels: np.ndarray) -> dict[str, Any]:
    """Return a grey picture as a value of a picture column."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", optimize=True)
    return {"bytes": file.getvalue(), "path": None}


def make(split: str) -> pa.Table:
    """Return the rows of one split."""
    first, stop, count = SPLITS[split]
    source = parquet.read_table(Path(__file__).with_name("digits.parquet")).to_pylist()[first:stop]
    pictures = [np.asarray(Image.open(io.BytesIO(row["image"]["bytes"]))) for row in source]
    random = np.random.default_rng([2026, first])
    rows = []
    for _ in range(count):
        chosen = random.choice(len(source), int(random.integers(2, 5, endpoint=True)), replace=False)
        rows.append(canvas([(pictures[place], int(source[place]["label"])) for place in chosen], random))
    return pa.Table.from_pylist(rows, pa.schema(COLUMNS))


def main(folder: Path) -> None:
    """Write the three files."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        parquet.write_table(make(split), folder / f"{split}.parquet", compression="zstd")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
