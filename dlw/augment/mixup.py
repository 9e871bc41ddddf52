"""Blend each picture and its target with those of another row."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from dlw.augment._base import Augment, AugmentSettings, check_one_image
from dlw.specs import FieldSpec

KINDS = ("image",)
LAID_ON = ()


class Settings(AugmentSettings):
    """Zhang et al. 2018, arXiv:1710.09412."""

    alpha: float = Field(0.2, gt=0, le=100, description="The share is drawn from Beta(alpha, alpha).")
    probability: float = Field(
        1.0, gt=0, le=1, description="Chance of a batch to be mixed; mixed batches are left out."
    )


def build(settings: Settings, groups: Mapping[str, FieldSpec]) -> Augment:
    """Return the augmentation; raises UsageError unless one picture is the only input."""
    from dlw.augment._image_mixing import blend, mixing

    check_one_image(groups, "mixup")
    return mixing(groups, settings.alpha, settings.probability, blend)
