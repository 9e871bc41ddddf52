"""Erased boxes. Shape legend: B rows, C channels, H pixel rows, W pixel columns."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from dlw.augment._base import Draws
from dlw.augment._images import boxes, like
from dlw.specs import FieldSpec


def erase(
    image_BCHW: Tensor,
    draws: Draws,
    spec: FieldSpec,
    probability: float,
    area: tuple[float, float],
    longest: float,
    fill: Literal["noise", "mean"],
) -> Tensor:
    """Overwrite a box in a share of the rows; its side ratio lies between 1 / longest and longest."""
    rows, channels, height, width = image_BCHW.shape
    draw_B5 = draws.uniform(5)
    size_B = (area[0] + (area[1] - area[0]) * draw_B5[:, 0]) * (height * width)
    ratio_B = torch.exp((2 * draw_B5[:, 1] - 1) * math.log(longest))
    limits_2 = torch.tensor([height, width], dtype=torch.float32, device=draw_B5.device)
    sides_B2 = torch.stack([size_B * ratio_B, size_B / ratio_B], dim=1).sqrt().round().minimum(limits_2)
    top_left_B2 = (draw_B5[:, 2:4] * (limits_2 - sides_B2 + 1)).floor()
    is_erased_B = draw_B5[:, 4] < probability
    inside_B1HW = boxes(top_left_B2, sides_B2, height, width) & is_erased_B[:, None, None, None]
    if fill == "noise":
        filling = 255 * draws.uniform(channels * height * width).view(rows, channels, height, width)
    else:
        filling = torch.tensor(spec.statistics["mean"], device=draw_B5.device).view(1, channels, 1, 1)
    return torch.where(inside_B1HW, like(filling.float(), image_BCHW), image_BCHW)
