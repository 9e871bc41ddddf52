"""Where pixels go: flips, crops, erased boxes. Shape legend: B rows, C channels, H pixel rows, W pixel columns."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from dlw.augment._base import Draws
from dlw.augment._images import boxes, like
from dlw.specs import FieldSpec

Fill = Literal["zero", "edge", "reflect"]


def flip(image_BCHW: Tensor, draws: Draws, probability: float) -> Tensor:
    """Mirror left and right in a share of the rows."""
    is_flipped_B = draws.uniform(1)[:, 0] < probability
    return torch.where(is_flipped_B[:, None, None, None], image_BCHW.flip(-1), image_BCHW)


def crop(image_BCHW: Tensor, draws: Draws, padding: int, fill: Fill) -> Tensor:
    """Move each picture by up to `padding` pixels in both directions, one gather for the whole batch."""
    rows, _, height, width = image_BCHW.shape
    shift_B2 = (draws.uniform(2) * (2 * padding + 1)).long() - padding
    ys_BH = shift_B2[:, :1] + torch.arange(height, device=shift_B2.device)
    xs_BW = shift_B2[:, 1:] + torch.arange(width, device=shift_B2.device)
    row_B11 = torch.arange(rows, device=shift_B2.device)[:, None, None]
    moved_BHWC = image_BCHW.permute(0, 2, 3, 1)[
        row_B11, _inside(ys_BH, height, fill)[:, :, None], _inside(xs_BW, width, fill)[:, None, :]
    ]
    moved_BCHW = moved_BHWC.permute(0, 3, 1, 2)
    if fill == "zero":
        top_left_B2 = -shift_B2
        whole_B2 = torch.tensor([height, width], device=shift_B2.device).expand(rows, 2)
        moved_BCHW = torch.where(boxes(top_left_B2, whole_B2, height, width), moved_BCHW, 0)
    return moved_BCHW


def _inside(place: Tensor, size: int, fill: Fill) -> Tensor:
    """Return the pixel to read for each place, which may lie up to `size` - 1 pixels outside."""
    if fill == "reflect":
        place = place.abs()
        place = (size - 1) - ((size - 1) - place).abs()
    return place.clamp(0, size - 1)


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


def _noise(draws: Draws, count: int) -> Tensor:
    """Return uint8 [B, count]; a draw holds 24 random bits, which serve three pixels."""
    bits_BN = (draws.uniform(-(-count // 3)) * 2**24).to(torch.int32)
    return bits_BN.unsqueeze(-1).view(torch.uint8)[..., :3].flatten(1)[:, :count]
