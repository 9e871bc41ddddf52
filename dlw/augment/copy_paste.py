"""Paste what is rare on another row's picture, pixel by pixel, with its mask."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from dlw.augment._base import Augment, AugmentSettings, check_one_image
from dlw.errors import UsageError
from dlw.specs import TARGET, FieldSpec

KINDS = ("image",)
LAID_ON = ("mask",)


class Settings(AugmentSettings):
    """Pixels of every class but the commonest of training, where they lie in the other picture.

    Ghiasi et al. 2021, arXiv:2012.07177. What is rare is then seen on many grounds, and a ground says less about it.
    """

    probability: float = Field(0.5, gt=0, le=1, description="Chance of a row to get the rare pixels of another.")
    match_light: bool = Field(
        True, description="Shift what is pasted by the difference of the two pictures' mean over their commonest class."
    )


def build(settings: Settings, groups: Mapping[str, FieldSpec]) -> Augment:
    """Return the augmentation; raises UsageError unless the target is a mask beside one picture alone."""
    from dlw.augment._image_mixing import paste_rare

    if groups[TARGET].kind != "mask":
        raise UsageError("data.augment: copy_paste: is for a target that is a mask, which says what to paste")
    check_one_image(groups, "copy_paste")
    return paste_rare(groups, settings.probability, settings.match_light)
