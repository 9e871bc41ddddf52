"""Overwrite a random box of pictures, so that no single part decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from dlw.augment._base import Augment, AugmentSettings, Range
from dlw.specs import FieldSpec

KINDS = ("image",)
LAID_ON = ("mask", "boxes")

Share = Annotated[float, Field(gt=0, le=1)]


class Settings(AugmentSettings):
    """Zhong et al. 2020, arXiv:1708.04896, whose values are the defaults."""

    probability: float = Field(0.5, gt=0, le=1, description="Chance of a picture to lose a box.")
    area: Range[Share] = Field((0.02, 0.4), description="Smallest and largest share of the picture erased.")
    longest: float = Field(3.3, ge=1, le=100, description="Largest ratio between the sides of the box.")
    fill: Literal["noise", "mean"] = Field("noise", description="Random pixels, or the mean of the training pictures.")


def build(settings: Settings, groups: Mapping[str, FieldSpec]) -> Augment:
    """Return the augmentation of every image group."""
    from dlw.augment._image_places import erase
    from dlw.augment._images import each_image

    options = (settings.probability, settings.area, settings.longest, settings.fill)
    return each_image(groups, lambda image, draws, spec: erase(image, draws, spec, *options))
