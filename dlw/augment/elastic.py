"""Bend pictures at random as if drawn on rubber, masks with them: for tissue and cells.

Simard et al. 2003, doi:10.1109/ICDAR.2003.1227801; a coarse grid of shifts as for U-Net
(arXiv:1505.04597, section 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from dlw.augment._base import Augment, AugmentSettings
from dlw.specs import FieldSpec

KINDS = ("image",)
LAID_ON = ("mask",)


class Settings(AugmentSettings):
    """Knots of a grid are shifted, what lies between follows smoothly; edges are mirrored."""

    cells: int = Field(5, ge=2, le=64, description="Knots along each side of the picture.")
    strength: float = Field(8.0, gt=0, le=500, description="Largest shift of a knot in pixels, in both directions.")


def build(settings: Settings, groups: Mapping[str, FieldSpec]) -> Augment:
    """Return the augmentation of every image group."""
    from dlw.augment._image_moves import each_move
    from dlw.augment._image_warps import draw_bending

    return each_move(groups, lambda image, draws, spec: draw_bending(image, draws, settings.cells, settings.strength))
