"""Answers drawn over their pictures: PNG files beside a table of predictions, mosaics in a run's `samples` folder."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlw.errors import UsageError
from dlw.runs.disk import write_atomic
from dlw.specs import Arrays, FieldSpec
from dlw.tasks._base import Task
from dlw.verbs._asked import FreeNames

if TYPE_CHECKING:
    from PIL.Image import Image

LEAST_SIDE = 160
"""Smaller pictures are enlarged, so that what is drawn can be seen."""
_GAP = 4


def picture_group(inputs: Mapping[str, FieldSpec]) -> str | None:
    """Return the only picture input, None unless there is exactly one."""
    pictures = [name for name, spec in inputs.items() if spec.kind == "image"]
    return pictures[0] if len(pictures) == 1 else None


class Drawings:
    """A folder that gets one PNG per answered row."""

    def __init__(self, folder: Path, task: Task, inputs: Mapping[str, FieldSpec]) -> None:
        self._folder, self._task, self._group = folder, task, picture_group(inputs)
        self._names = FreeNames()
        if self._group is None:
            raise UsageError("--draw: answers are drawn over a picture, and this run does not read exactly one")

    def add(self, names: Sequence[str], arrays: Arrays, answers: Arrays) -> None:
        """Draw some rows; raises UsageError where the task has nothing to draw."""
        assert self._group is not None
        layers = self._task.layers(answers)
        if layers is None:
            raise UsageError("--draw: the answers of this task do not lie on a picture: there is nothing to draw")
        self._folder.mkdir(parents=True, exist_ok=True)
        for name, pixels, layer in zip(names, arrays[self._group], layers, strict=True):
            drawn = enlarged(self._task.draw(as_picture(pixels), layer))
            write_atomic(self._folder / f"{self._names.free(name)}.png", png(drawn))


def as_picture(pixels_CHW: np.ndarray) -> Image:
    """Return encoded pixels as an RGB picture."""
    from PIL import Image

    array = pixels_CHW[0] if len(pixels_CHW) == 1 else pixels_CHW.transpose(1, 2, 0)
    return Image.fromarray(np.ascontiguousarray(array)).convert("RGB")


def enlarged(picture: Image) -> Image:
    """Return a picture with a shorter side of at least LEAST_SIDE, by whole steps so that pixels stay square."""
    from PIL import Image

    factor = math.ceil(LEAST_SIDE / min(picture.size))
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def mosaic(lines: Sequence[Sequence[Image]]) -> Image:
    """Lay pictures of one size side by side and the lines under one another."""
    from PIL import Image

    width, height = lines[0][0].width + _GAP, lines[0][0].height + _GAP
    columns = max(map(len, lines))
    whole = Image.new("RGB", (columns * width - _GAP, len(lines) * height - _GAP), "white")
    for row, line in enumerate(lines):
        for column, picture in enumerate(line):
            whole.paste(picture, (column * width, row * height))
    return whole


def png(picture: Image) -> bytes:
    """Return a picture as a PNG file."""
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return file.getvalue()
