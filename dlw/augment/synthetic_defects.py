"""Draw defects that nobody photographed on pictures, and mark them in the masks: for inspection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from dlw.augment._base import Augment, AugmentSettings, Range, check_one_image
from dlw.errors import UsageError
from dlw.specs import TARGET, FieldSpec

KINDS = ("image",)
LAID_ON = ("mask",)

Light = Annotated[float, Field(gt=0, le=100)]


class Settings(AugmentSettings):
    """Spots, bent lines, and regions of more or less texture, partly another picture's, of drawn place, size and light.

    What a defect looks like is then known from many more than were photographed: the idea of DRAEM (Zavrtanik et al.
    2021, arXiv:2108.07610) beside real ones. Of the two classes of the mask the rarer one is the defect.
    """

    probability: float = Field(0.5, gt=0, le=1, description="Chance of a row to get a defect.")
    shapes: list[Literal["spot", "line", "region"]] = Field(
        ["spot", "line", "region"], min_length=1, description="The shapes that are drawn, each as often."
    )
    light: Range[Light] = Field(
        (0.5, 4.0),
        description="How much darker or brighter a defect is, in standard deviations of the picture: the logarithm "
        "is drawn evenly.",
    )
    dark: float = Field(0.7, ge=0, le=1, description="Share of the defects that are darker.")


def build(settings: Settings, groups: Mapping[str, FieldSpec]) -> Augment:
    """Return the augmentation; raises UsageError unless the target is a mask of two classes beside one picture."""
    from dlw.augment._image_defects import draw_defects

    if groups[TARGET].kind != "mask" or groups[TARGET].sizes[0] != 2:
        raise UsageError("data.augment: synthetic_defects: is for a target that is a mask of two classes")
    check_one_image(groups, "synthetic_defects")
    return draw_defects(groups, settings.shapes, settings.probability, settings.light, settings.dark)
