"""Move pictures by a few pixels at random, masks and boxes with them: pad, then crop to the old size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from dlw.augment._base import Augment, AugmentSettings
from dlw.errors import UsageError
from dlw.specs import FieldSpec

KINDS = ("image",)
LAID_ON = ("mask", "boxes")


class Settings(AugmentSettings):
    """The picture keeps its size."""

    padding: int = Field(4, ge=1, le=4096, description="Largest move in pixels, the same in all four directions.")
    fill: Literal["zero", "edge", "reflect"] = Field(
        "zero",
        description="What enters: zeros (void in a mask), the pixel at the edge, or the picture mirrored at its edge.",
    )


def build(settings: Settings, groups: Mapping[str, FieldSpec]) -> Augment:
    """Return the augmentation of every image group; raises UsageError where pictures are smaller than the move."""
    from dlw.augment._image_moves import draw_shift, each_move

    for name, spec in groups.items():
        if spec.kind == "image" and min(spec.shape[1:]) <= settings.padding:
            size = "x".join(map(str, spec.shape[1:]))
            raise UsageError(f"data.augment: random_crop: padding {settings.padding} is too large for {name} of {size}")
    return each_move(groups, lambda image, draws, spec: draw_shift(image, draws, settings.padding, settings.fill))
