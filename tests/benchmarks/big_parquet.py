"""Write a made-up set of pictures as Parquet, as large as asked, to see how dlw does with data larger than memory.

    python -m tests.benchmarks.big_parquet --gib 20 FOLDER
    dlw train FOLDER/recipe.yaml -s data.memory_budget="1 GiB"

FOLDER/train.parquet holds pictures of 64 x 64 coloured noise as PNG files, bright ones and dark ones, with the words
for it; FOLDER/recipe.yaml learns them in 200 steps. One minute for 20 GiB on one core.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

SIDE = 64
GROUP_ROWS = 2000
DIFFERENT = 500
"""Pictures that are drawn; rows repeat them, which no reader of the file profits from."""
RECIPE = """\
name: big-parquet
task: classification
data:
  source: train.parquet
  splits: {train: "train[:99%]", validation: "train[99%:]"}
  inputs: {image: {type: image, height: 64, width: 64, channels: 3}}
  target: {label: category}
model: {type: resnet, widths: [8, 16], depths: [1, 1]}
train: {steps: 200, batch_size: 64, validate_every: 200 steps}
checkpoint: {every: 200 steps}
"""


def write(folder: Path, num_bytes: int, group_rows: int = GROUP_ROWS) -> int:
    """Write about so many bytes of pictures and a recipe into a folder; returns the number of rows."""
    random = np.random.default_rng(0)
    is_bright = random.integers(0, 2, DIFFERENT)
    pictures = [_picture(random, bool(bright)) for bright in is_bright]
    group_bytes = group_rows * sum(map(len, pictures)) // DIFFERENT
    schema = pa.schema({"image": pa.struct({"bytes": pa.binary(), "path": pa.string()}), "label": pa.string()})
    folder.mkdir(parents=True, exist_ok=True)
    num_groups = max(1, num_bytes // group_bytes)
    with pq.ParquetWriter(folder / "train.parquet", schema, compression="none", use_dictionary=["label"]) as writer:
        for _ in range(num_groups):
            chosen = random.integers(0, DIFFERENT, group_rows)
            held = [{"bytes": pictures[place], "path": None} for place in chosen]
            labels = np.where(is_bright[chosen], "bright", "dark").tolist()
            writer.write_table(pa.table({"image": held, "label": labels}, schema), row_group_size=group_rows)
    (folder / "recipe.yaml").write_text(RECIPE)
    return num_groups * group_rows


def _picture(random: np.random.Generator, is_bright: bool) -> bytes:
    pixels = random.integers(0, 200, (SIDE, SIDE, 3), dtype=np.uint8) + 50 * np.uint8(is_bright)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png", compress_level=1)
    return file.getvalue()


def main() -> None:
    """Read the command line and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gib", type=float, default=20.0, help="size in GiB")
    asked = parser.parse_args()
    rows = write(asked.folder, int(asked.gib * 2**30))
    size = (asked.folder / "train.parquet").stat().st_size
    print(f"{asked.folder / 'train.parquet'}: {rows:,} rows, {size / 2**30:.2f} GiB")


if __name__ == "__main__":
    main()
