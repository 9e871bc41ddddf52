"""Turn square pictures by none to three quarters of a circle at random, masks and boxes with them."""

from __future__ import annotations

from collections.abc import Mapping

from dlw.augment._base import Augment, AugmentSettings
from dlw.errors import UsageError
from dlw.specs import FieldSpec

KINDS = ("image",)
LAID_ON = ("mask", "boxes")


class Settings(AugmentSettings):
    """For pictures without an up and a down: microscopy, seen from above."""


def build(settings: Settings, groups: Mapping[str, FieldSpec]) -> Augment:
    """Return the augmentation of every image group; raises UsageError where pictures are not square."""
    from dlw.augment._image_moves import draw_turn, each_move

    for name, spec in groups.items():
        if spec.kind == "image" and spec.shape[1] != spec.shape[2]:
            size = "x".join(map(str, spec.shape[1:]))
            raise UsageError(f"data.augment: quarter_turn: {name} is {size}; only square pictures keep their size")
    return each_move(groups, lambda image, draws, spec: draw_turn(image, draws))
