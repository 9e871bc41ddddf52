"""Mirror pictures left and right at random, masks and boxes with them."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from dlw.augment._base import Augment, AugmentSettings
from dlw.specs import FieldSpec

KINDS = ("image",)
LAID_ON = ("mask", "boxes")


class Settings(AugmentSettings):
    """Not for pictures whose sides mean something, such as digits."""

    probability: float = Field(0.5, gt=0, le=1, description="Chance of a picture to be mirrored.")


def build(settings: Settings, groups: Mapping[str, FieldSpec]) -> Augment:
    """Return the augmentation of every image group."""
    from dlw.augment._image_moves import draw_flip, each_move

    return each_move(groups, lambda image, draws, spec: draw_flip(image, draws, settings.probability, -1))
