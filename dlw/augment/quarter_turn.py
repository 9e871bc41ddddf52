"""Turn square pictures by none to three quarters of a circle at random, masks and boxes with them."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from dlw.augment._base import Augment, AugmentSettings
from dlw.errors import UsageError
from dlw.specs import FieldSpec

KINDS = ("image",)
LAID_ON = ("mask", "boxes")
CLASSES = {"as_classes": 4}


class Settings(AugmentSettings):
    """For pictures without an up and a down: microscopy, seen from above.

    Or, `as_classes`, for signs that mean something else when they are turned: there are four times as many to learn
    from (Santoro et al. 2016, arXiv:1605.06065, section 4.1).
    """

    as_classes: bool = Field(
        False, description="What is turned is a class of its own; for the task embedding, whose classes may be new."
    )


def build(settings: Settings, groups: Mapping[str, FieldSpec]) -> Augment:
    """Return the augmentation of every image group; raises UsageError where pictures are not square."""
    from dlw.augment._image_classes import turn_into_classes
    from dlw.augment._image_moves import draw_turn, each_move

    for name, spec in groups.items():
        if spec.kind == "image" and spec.shape[1] != spec.shape[2]:
            size = "x".join(map(str, spec.shape[1:]))
            raise UsageError(f"data.augment: quarter_turn: {name} is {size}; only square pictures keep their size")
    if settings.as_classes:
        return turn_into_classes(groups)
    return each_move(groups, lambda image, draws, spec: draw_turn(image, draws))
