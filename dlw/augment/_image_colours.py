"""What pixels show: brightness, contrast, saturation. Shape legend: B rows, C channels, H and W pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dlw.augment._base import Draws
from dlw.augment._images import like

LUMA = (0.299, 0.587, 0.114)
"""Share of red, green and blue in the grey value (ITU-R BT.601)."""


def shift_colours(image_BCHW: Tensor, draws: Draws, brightness: float, contrast: float, saturation: float) -> Tensor:
    """Scale brightness, contrast and saturation of each row by factors between 1 - strength and 1 + strength."""
    strength_3 = torch.tensor([brightness, contrast, saturation], device=image_BCHW.device)
    factor_B3 = 1 + (2 * draws.uniform(3) - 1) * strength_3
    bright_B, contrast_B, colour_B = (factor_B[:, None, None, None] for factor_B in factor_B3.unbind(1))
    x_BCHW = (image_BCHW.float() * bright_B).clamp(0, 255)
    if saturation:
        grey_B1HW = grey(x_BCHW)
        x_BCHW = torch.lerp(grey_B1HW.expand_as(x_BCHW), x_BCHW, colour_B)
    if contrast:
        x_BCHW = torch.lerp(grey(x_BCHW).mean(dim=(2, 3), keepdim=True).expand_as(x_BCHW), x_BCHW, contrast_B)
    return like(x_BCHW.clamp(0, 255), image_BCHW)


def grey(x_BCHW: Tensor) -> Tensor:
    """Return the grey picture [B, 1, H, W]: luma of three channels, else their mean."""
    if x_BCHW.shape[1] != len(LUMA):
        return x_BCHW.mean(dim=1, keepdim=True)
    return (x_BCHW * torch.tensor(LUMA, device=x_BCHW.device).view(1, -1, 1, 1)).sum(dim=1, keepdim=True)


def light_unevenly(image_BCHW: Tensor, draws: Draws, strength: float, cells: int) -> Tensor:
    """Multiply each row by a smooth field through cells x cells knots between 1 - strength and 1 + strength."""
    knots_B1KK = 1 + strength * (2 * draws.uniform(cells * cells) - 1).view(-1, 1, cells, cells)
    field_B1HW = F.interpolate(knots_B1KK, image_BCHW.shape[-2:], mode="bicubic", align_corners=True)
    return like(image_BCHW.float() * field_B1HW.clamp(min=0), image_BCHW)
