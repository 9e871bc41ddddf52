"""The shipped digits_canvas is what its generator makes; its masks and boxes lie on its digits."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

DATA = Path(__file__).parents[2] / "recipes" / "data"
SPLITS = ("train", "validation", "test")


def pixels(picture: dict[str, Any]) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture["bytes"])))


def rows(folder: Path, split: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(folder / f"{split}.parquet").to_pylist()
    return found


def test_the_generator_makes_the_same_rows(tmp_path: Path) -> None:
    """Pictures are compared as pixels: another Pillow may pack the same PNG differently."""
    subprocess.run([sys.executable, str(DATA / "digits_canvas.py"), str(tmp_path)], check=True)
    for split in SPLITS:
        shipped, made = rows(DATA / "digits_canvas", split), rows(tmp_path, split)
        assert [row["objects"] for row in shipped] == [row["objects"] for row in made]
        for one, other in zip(shipped, made, strict=True):
            assert np.array_equal(pixels(one["image"]), pixels(other["image"]))
            assert np.array_equal(pixels(one["mask"]), pixels(other["mask"]))
    assert sum(path.stat().st_size for path in (DATA / "digits_canvas").iterdir()) < 300_000


@pytest.mark.parametrize("split", SPLITS)
def test_masks_and_boxes_lie_on_the_digits(split: str) -> None:
    for row in rows(DATA / "digits_canvas", split):
        image, mask = pixels(row["image"]), pixels(row["mask"])
        assert image.shape == mask.shape == (64, 64)
        assert image[mask > 0].mean() > image[mask == 0].mean() + 20
        drawn = np.zeros(mask.shape, bool)
        for (left, top, width, height), category in zip(
            row["objects"]["bbox"], row["objects"]["category"], strict=True
        ):
            part = (slice(int(top), int(top + height)), slice(int(left), int(left + width)))
            drawn[part] = True
            assert (mask[part] == category + 1).any()
        assert not (mask[~drawn] > 0).any()
