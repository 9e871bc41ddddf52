"""Change brightness, contrast and saturation of pictures at random."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from dlw.augment._base import Augment, AugmentSettings
from dlw.errors import UsageError
from dlw.specs import FieldSpec

KINDS = ("image",)
LAID_ON = ("mask", "boxes")


class Settings(AugmentSettings):
    """Each factor is drawn evenly between 1 - strength and 1 + strength."""

    brightness: float = Field(0.2, ge=0, le=1, description="Strength of the change of brightness.")
    contrast: float = Field(0.2, ge=0, le=1, description="Strength of the change of contrast.")
    saturation: float = Field(0.0, ge=0, le=1, description="Strength of the change of saturation; colour only.")


def build(settings: Settings, groups: Mapping[str, FieldSpec]) -> Augment:
    """Return the augmentation of every image group; raises UsageError for saturation without three channels."""
    from dlw.augment._image_colours import shift_colours
    from dlw.augment._images import each_image

    for name, spec in groups.items():
        if spec.kind == "image" and settings.saturation and spec.shape[0] != 3:
            raise UsageError(f"data.augment: color: saturation needs 3 channels, {name} has {spec.shape[0]}")
    strengths = (settings.brightness, settings.contrast, settings.saturation)
    return each_image(groups, lambda image, draws, spec: shift_colours(image, draws, *strengths))
