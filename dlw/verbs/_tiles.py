"""Pictures larger than those of training, answered tile by tile at their own size and laid together again.

For networks that learned pictures at this scale: nothing is resized. Neighbouring tiles overlap by a quarter at least;
where they do, their answers are averaged, each weighing less towards its edge.
Shape legend: T tiles, C channels, K classes, H rows of pixels, W columns of pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from dlw.errors import UsageError
from dlw.fields._files import read_files
from dlw.fields._pictures import Layout, decode, encode_png, open_picture, upright_size
from dlw.progress import Silent
from dlw.specs import Arrays
from dlw.verbs._bundle import Answerer

if TYPE_CHECKING:
    import pyarrow as pa

LEAST_OVERLAP = 0.25
_LIGHTEST = 0.05
"""Weight of an answer at the edge of its tile, against 1 in the middle."""


def check(answerer: Answerer) -> None:
    """Raise UsageError unless a run reads one picture and answers with a map."""
    if [spec.kind for spec in answerer.fitted.inputs.values()] != ["image"] or answerer.fitted.target.kind != "mask":
        raise UsageError("--tile is for segmentation of one picture: this run reads or answers something else")


def answers(answerer: Answerer, table: pa.Table, rows: np.ndarray) -> Iterator[tuple[np.ndarray, Arrays]]:
    """Yield for each row its picture, uint8 [C, H, W] as large as it was given, and its condensed answers [1, ...]."""
    picture = next(column for column in answerer.fitted.columns if column.role == "input")
    channels, height, width = (int(picture.state[key]) for key in ("channels", "height", "width"))
    limit = int(picture.settings["max_pixels"])
    for file in read_files(table[picture.name].take(rows), picture.name):
        given_width, given_height = upright_size(open_picture(file, limit))
        whole_CHW = decode([file], Layout(given_height, given_width, channels, "stretch", limit))[0][0]
        missing = ((0, 0), (0, max(0, height - given_height)), (0, max(0, width - given_width)))
        filled_CHW = np.pad(whole_CHW, missing, mode="edge")
        corners = [(y, x) for y in _starts(filled_CHW.shape[1], height) for x in _starts(filled_CHW.shape[2], width)]
        tiles = [filled_CHW[:, y : y + height, x : x + width] for y, x in corners]
        laid = _laid_together(_answered(answerer, picture.name, tiles), corners, filled_CHW.shape[1:])
        cut = {name: map_KHW[None, :, :given_height, :given_width] for name, map_KHW in laid.items()}
        yield whole_CHW, answerer.task.condense(cut)


def _starts(length: int, tile: int) -> list[int]:
    """Return where tiles begin, evenly spaced, the last one ending with the picture."""
    if length <= tile:
        return [0]
    count = 1 + -(-(length - tile) // max(1, int(tile * (1 - LEAST_OVERLAP))))
    return np.linspace(0, length - tile, count).round().astype(int).tolist()


def _answered(answerer: Answerer, name: str, tiles: list[np.ndarray]) -> Iterator[Arrays]:
    """Yield the raw answers [K, H, W] of each tile, read by the run's own field."""
    import pyarrow as pa

    step = answerer.rows_at_once
    for start in range(0, len(tiles), step):
        files = [{"bytes": encode_png(tile_CHW), "path": None} for tile_CHW in tiles[start : start + step]]
        encoded = answerer.fitted.encode(pa.table({name: files}), with_target=False, listener=Silent(), max_bad=0.0)
        raw = answerer.answer(encoded.arrays)
        yield from ({key: answer[place] for key, answer in raw.items()} for place in range(len(files)))


def _laid_together(raw: Iterator[Arrays], corners: list[tuple[int, int]], size: tuple[int, ...]) -> Arrays:
    sums: Arrays = {}
    weights: Arrays = {}
    for (y, x), answered in zip(corners, raw, strict=True):
        for name, map_KHW in answered.items():
            height, width = map_KHW.shape[1:]
            weight_HW = np.minimum.outer(_ramp(height), _ramp(width))
            part = (slice(y, y + height), slice(x, x + width))
            sums.setdefault(name, np.zeros((len(map_KHW), *size), np.float32))[:, *part] += map_KHW * weight_HW
            weights.setdefault(name, np.zeros(size, np.float32))[part] += weight_HW
    return {name: sum_KHW / weights[name] for name, sum_KHW in sums.items()}


def _ramp(length: int) -> np.ndarray:
    """Return weights that rise from the edge to the middle, float32 [length]."""
    distance = np.minimum(np.arange(length) + 0.5, length - np.arange(length) - 0.5) / (length / 2)
    return np.maximum(distance, _LIGHTEST).astype(np.float32)
