"""Zoom, stretch and turn pictures at random, masks and boxes with them; the picture keeps its size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from dlw.augment._base import Augment, AugmentSettings, Range
from dlw.specs import FieldSpec

KINDS = ("image",)
LAID_ON = ("mask", "boxes")

Zoom = Annotated[float, Field(ge=0.1, le=10)]


class Settings(AugmentSettings):
    """Places are drawn so that an enlarged picture fills the frame and a shrunken one lies inside it."""

    zoom: Range[Zoom] = Field(
        (0.8, 1.25), description="Least and largest factor; 2 shows a quarter of the picture at twice its size."
    )
    stretch: float = Field(
        0.0, ge=0, le=2, description="How much wider than high, or higher than wide, things may become: 0.2 is 20 %."
    )
    turn: float = Field(0.0, ge=0, le=180, description="Largest turn in degrees, to either side.")
    fill: Literal["mean", "reflect"] = Field(
        "mean", description="What enters: the training mean (void in a mask), or the picture mirrored at its edge."
    )


def build(settings: Settings, groups: Mapping[str, FieldSpec]) -> Augment:
    """Return the augmentation of every image group."""
    from dlw.augment._image_moves import each_move
    from dlw.augment._image_warps import draw_affine

    options = (settings.zoom, settings.stretch, settings.turn, settings.fill == "reflect")
    return each_move(groups, lambda image, draws, spec: draw_affine(image, draws, spec, *options))
