"""Small pictures with a bright and a dark rectangle each, and a recipe that detects them at another size."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

WIDTH, HEIGHT = 48, 40

RECIPE = """\
name: rectangles
task: {type: detection, max_objects: 20, shown_score: 0}
data:
  source: rectangles.parquet
  inputs: {picture: {type: image, height: 20, width: 24, channels: 1}}
  target: {objects: boxes}
  splits: {train: "train[:32]", validation: "train[32:]"}
model: {type: detector, widths: [8, 8], depths: [1, 1], neck_width: 8, head_depth: 1}
train: {epochs: 1, batch_size: 8, threads: 1}
evaluate: {bootstrap: 20}
"""


def rectangles(folder: Path, count: int = 40) -> Path:
    """Write rectangles.parquet: a picture, its number as `id`, and two objects of different classes."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(count):
        pixels = random.integers(110, 140, (HEIGHT, WIDTH), dtype=np.uint8)
        boxes = []
        for grey, part in ((250, 0), (5, 1)):
            width, height = random.integers(8, 20, 2).tolist()
            left, top = part * WIDTH // 2 + random.integers(0, 5).item(), random.integers(0, HEIGHT - height).item()
            pixels[top : top + height, left : left + width] = grey
            boxes.append([float(left), float(top), float(width), float(height)])
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, format="PNG")
        objects = {"bbox": boxes, "category": [7, 3], "category_name": ["bright", "dark"]}
        rows.append({"picture": {"bytes": file.getvalue(), "path": None}, "id": number + 100, "objects": objects})
    path = folder / "rectangles.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path
