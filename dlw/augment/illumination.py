"""Light pictures unevenly: brighter here, darker there, smoothly."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from dlw.augment._base import Augment, AugmentSettings
from dlw.specs import FieldSpec

KINDS = ("image",)
LAID_ON = ("mask", "boxes")


class Settings(AugmentSettings):
    """Every pixel is multiplied by a smooth field through drawn knots, so that light says less about what is seen."""

    strength: float = Field(0.4, gt=0, le=1, description="Knots lie between 1 - strength and 1 + strength.")
    cells: int = Field(4, ge=2, le=64, description="Knots along each side of the picture.")


def build(settings: Settings, groups: Mapping[str, FieldSpec]) -> Augment:
    """Return the augmentation of every image group."""
    from dlw.augment._image_colours import light_unevenly
    from dlw.augment._images import each_image

    return each_image(groups, lambda image, draws, _: light_unevenly(image, draws, settings.strength, settings.cells))
