"""Pictures: uint8 [channels, height, width], raw pixels of one size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from dlw.columns import from_numbers
from dlw.errors import DataError
from dlw.fields._base import Encoded, FieldSettings, Role, State
from dlw.fields._files import read_files
from dlw.fields._pictures import Layout, decode, encode_png, measure
from dlw.specs import FieldSpec

if TYPE_CHECKING:
    import pyarrow as pa

KIND = "image"
NUM_MEASURED = 1000
"""Training pictures, evenly spaced, that size, channels, mean and deviation are learned from."""


class Settings(FieldSettings):
    """Options of a picture column."""

    height: int | None = Field(None, ge=1, le=8192, description="Rows; default: the most common in training.")
    width: int | None = Field(None, ge=1, le=8192, description="Columns; default: the most common in training.")
    channels: Literal[1, 3, 4] | None = Field(
        None, description="1 grey, 3 colour, 4 with opacity; default: by the data."
    )
    resize: Literal["stretch", "crop", "pad"] = Field(
        "stretch", description="How other sizes fit: stretched; shorter side scaled, middle kept; whole, black borders."
    )
    standardise: bool = Field(
        False,
        description="Bring each picture to mean 128 and deviation 48, where exposures differ by more than what is "
        "shown; black pixels, such as the borders of `pad`, count for nothing and stay black.",
    )
    max_pixels: int = Field(50_000_000, ge=1, le=10**10, description="Larger pictures are refused before decoding.")


@dataclass(frozen=True)
class Image:
    """One picture column."""

    settings: Settings
    name: str
    role: Role

    def fit(self, values: pa.ChunkedArray) -> State:
        """Learn the size, the channels, and mean and deviation of each channel."""
        if self.role == "target":
            raise DataError(f"target {self.name}: a picture cannot be a target of this task")
        step = max(1, len(values) // NUM_MEASURED)
        sample = values.take(from_numbers(np.arange(0, len(values), step))) if step > 1 else values
        pictures = read_files(sample, self.name)
        size = measure(pictures, self.settings.max_pixels)
        if size is None:
            raise DataError(f"column {self.name}: none of {len(pictures)} pictures can be opened")
        layout = Layout(
            self.settings.height or size.height,
            self.settings.width or size.width,
            self.settings.channels or size.channels,
            self.settings.resize,
            self.settings.max_pixels,
            self.settings.standardise,
        )
        pixels, bad = decode(pictures, layout)
        good = np.delete(pixels, list(bad), axis=0)
        if not len(good):
            raise DataError(f"column {self.name}: no picture can be decoded; the first: {next(iter(bad.values()))}")
        mean, std = _moments(good)
        return {"height": layout.height, "width": layout.width, "channels": layout.channels, "mean": mean, "std": std}

    def encode(self, values: pa.ChunkedArray, state: State) -> Encoded:
        """Decode, turn upright, resize: uint8 [N, C, H, W]."""
        chosen = self.settings
        layout = Layout(
            state["height"], state["width"], state["channels"], chosen.resize, chosen.max_pixels, chosen.standardise
        )
        return Encoded(*decode(read_files(values, self.name), layout))

    def decode(self, array: np.ndarray, state: State) -> list[Any]:
        """Turn pixels [N, C, H, W] into PNG files as `{bytes, path}`."""
        return [{"bytes": encode_png(pixels), "path": None} for pixels in array]

    def spec(self, state: State) -> FieldSpec:
        """Describe the pixels."""
        shape = (state["channels"], state["height"], state["width"])
        statistics = {"mean": state["mean"], "std": state["std"]}
        return FieldSpec(KIND, shape, "uint8", columns=(self.name,), statistics=statistics)


def _moments(pixels_NCHW: np.ndarray) -> tuple[list[float], list[float]]:
    values = np.arange(256, dtype=np.float64)
    means, deviations = [], []
    for channel in range(pixels_NCHW.shape[1]):
        counts = np.bincount(pixels_NCHW[:, channel].ravel(), minlength=256)
        mean = float((counts * values).sum() / counts.sum())
        means.append(mean)
        deviations.append(float(np.sqrt((counts * (values - mean) ** 2).sum() / counts.sum())))
    return means, deviations


build = Image
