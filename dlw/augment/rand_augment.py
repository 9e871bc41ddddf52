"""Apply a few random movements and colour changes of one strength to each picture."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from dlw.augment._base import Augment, AugmentSettings
from dlw.specs import FieldSpec

KINDS = ("image",)
LAID_ON = ()


class Settings(AugmentSettings):
    """After Cubuk et al. 2020, arXiv:1909.13719: turn, shear, shift, zoom, brightness, contrast, inverted lights."""

    rounds: int = Field(2, ge=1, le=20, description="Operations per picture.")
    strength: float = Field(
        0.5, gt=0, le=1, description="Largest change, as a share of 30 degrees, 30 % of the side, ..."
    )


def build(settings: Settings, groups: Mapping[str, FieldSpec]) -> Augment:
    """Return the augmentation of every image group."""
    from dlw.augment._image_random import change_at_random
    from dlw.augment._images import each_image

    return each_image(
        groups, lambda image, draws, spec: change_at_random(image, draws, settings.rounds, settings.strength)
    )
