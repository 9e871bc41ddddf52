"""Paste a box of another row's picture, and weigh both targets by area."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from dlw.augment._base import Augment, AugmentSettings, check_one_image
from dlw.specs import FieldSpec

KINDS = ("image",)
LAID_ON = ()


class Settings(AugmentSettings):
    """Yun et al. 2019, arXiv:1905.04899."""

    alpha: float = Field(1.0, gt=0, le=100, description="The share is drawn from Beta(alpha, alpha).")
    probability: float = Field(
        1.0, gt=0, le=1, description="Chance of a batch to be mixed; mixed batches are left out."
    )


def build(settings: Settings, groups: Mapping[str, FieldSpec]) -> Augment:
    """Return the augmentation; raises UsageError unless one picture is the only input."""
    from dlw.augment._image_mixing import mixing, paste

    check_one_image(groups, "cutmix")
    return mixing(groups, settings.alpha, settings.probability, paste)
