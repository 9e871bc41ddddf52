"""Small pictures with masks, named in a table, for the tests of segmentation under the verbs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 16, 24
RECIPE = """\
name: blocks
task: segmentation
data:
  source: blocks.csv
  splits: {train: "train[:75%]", validation: "train[75%:]"}
  inputs: {picture: image}
  target: {mask: {type: mask, greys: [0, 200], classes: [ground, block]}}
  augment: [horizontal_flip, {type: random_affine, zoom: [0.9, 1.2]}]
model: {type: unet, widths: [8, 12], depths: [1, 1], dropout: 0.1}
optimizer: {type: adamw, lr: 0.02}
train: {epochs: 4, batch_size: 6, threads: 1}
evaluate: {bootstrap: 50}
"""


def blocks(folder: Path, count: int = 32) -> Path:
    """Write grey pictures with one brighter block, their masks (200 on the block, 255 at its edge) and blocks.csv."""
    random = np.random.default_rng(0)
    lines = ["picture,mask"]
    for number in range(count):
        pixels, ids = random.integers(20, 90, (HEIGHT, WIDTH), dtype=np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)
        top, left = random.integers(1, 6), random.integers(1, 12)
        block = (slice(top, top + 8), slice(left, left + 9))
        pixels[block] += 120
        ids[block] = 200
        ids[top, left] = 255
        Image.fromarray(pixels).save(folder / f"picture{number:02}.png")
        Image.fromarray(ids).save(folder / f"mask{number:02}.png")
        lines.append(f"picture{number:02}.png,mask{number:02}.png")
    path = folder / "blocks.csv"
    path.write_text("\n".join(lines) + "\n")
    return path
