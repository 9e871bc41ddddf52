"""Cut a patch out of each picture and its mask: in some rows one with a drawn class, so that rare ones are seen."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from dlw.augment._base import Augment, AugmentSettings
from dlw.errors import UsageError
from dlw.specs import TARGET, FieldSpec

KINDS = ("image",)
LAID_ON = ("mask",)


class Settings(AugmentSettings):
    """A training step costs as much less as the patch is smaller than the picture; answers are given for whole ones.

    After nnU-Net, whose patches hold the rarer classes in a third of the rows (Isensee et al. 2021, arXiv:1904.08128).
    """

    size: int = Field(128, ge=8, le=8192, description="Side of the square patch in pixels.")
    focus: float = Field(
        0.33,
        ge=0,
        le=1,
        description="Share of the rows whose patch holds a pixel of a class that is drawn from those in the picture, "
        "the rarer in training the likelier; other patches lie anywhere.",
    )
    rare_rows: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Least share of a batch's rows that hold a class other than the commonest of training; where fewer "
        "do, they are repeated in the place of others, each time with a patch of its own.",
    )


def build(settings: Settings, groups: Mapping[str, FieldSpec]) -> Augment:
    """Return the augmentation; raises UsageError without a mask or where a picture is smaller than the patch."""
    from dlw.augment._image_patches import cut_patches

    if groups[TARGET].kind != "mask":
        raise UsageError("data.augment: patch: is for a target that is a mask; others are of the whole picture")
    for name, spec in groups.items():
        if spec.kind == "image" and min(spec.shape[1:]) < settings.size:
            size = "x".join(map(str, spec.shape[1:]))
            raise UsageError(f"data.augment: patch: {name} is {size}, smaller than the patch of {settings.size}")
    return cut_patches(groups, settings.size, settings.focus, settings.rare_rows)
