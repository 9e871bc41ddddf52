"""Shake the numbers of a table: normal noise in units of each column's standard deviation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from dlw.augment._base import Augment, AugmentSettings, Draws
from dlw.specs import FieldSpec

if TYPE_CHECKING:
    from torch import Tensor

KINDS = ("number",)
LAID_ON = ("mask", "boxes")


class Settings(AugmentSettings):
    """Missing values stay missing."""

    scale: float = Field(0.05, gt=0, le=10, description="Noise as a share of the column's standard deviation.")


def build(settings: Settings, groups: Mapping[str, FieldSpec]) -> Augment:
    """Return the augmentation of the number columns."""
    import torch

    num_columns = groups["number"].shape[0]
    width_F = torch.tensor(groups["number"].statistics["std"], dtype=torch.float32) * settings.scale

    def shake(batch: dict[str, Tensor], draws: Draws) -> dict[str, Tensor]:
        # Box and Muller 1958: two uniform draws make one normal draw; 1 - u keeps the logarithm finite.
        radius_BF, turn_BF = draws.uniform(2 * num_columns).split(num_columns, dim=1)
        normal_BF = torch.sqrt(-2 * torch.log1p(-radius_BF)) * torch.cos(2 * math.pi * turn_BF)
        number_BF = batch["number"]
        return {**batch, "number": number_BF + normal_BF * width_F.to(number_BF.device)}

    return shake
