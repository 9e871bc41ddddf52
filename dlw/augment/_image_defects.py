"""Defects that nobody photographed: spots, lines and regions drawn on pictures and marked in their masks.

Shape legend: B rows, C channels, H rows of pixels, W columns of pixels, S shapes, K knots along a side of a grid.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dlw.augment._base import Augment, Draws
from dlw.augment._image_mixing import light, partners
from dlw.augment._image_patches import commonest
from dlw.augment._images import like
from dlw.specs import TARGET, VOID, FieldSpec

SPOT, LINE, REGION = range(3)
SHAPES = {"spot": SPOT, "line": LINE, "region": REGION}
_KNOTS = 8
_LENGTHS = ((0.015, 0.12), (0.08, 0.6), (0.2, 1.0))
"""Half the length of each shape, as shares of the shorter side of the picture."""
_WIDTHS = ((0.4, 1.0), (0.6, 2.5), (0.08, 0.5))
"""Half the width: of a spot as a share of half the length, of a line in pixels, of a region as a share of that side."""
_REGION_LIGHT = 0.4
"""Regions differ less in light than spots and lines do, for they also differ in texture."""
_REGION_CONTRAST = (0.4, 2.0)
_FINE = 15
"""Texture is what differs from the mean over a square of so many pixels."""


def draw_defects(
    groups: Mapping[str, FieldSpec],
    shapes: Sequence[str],
    probability: float,
    strength: tuple[float, float],
    dark: float,
) -> Augment:
    """Return the augmentation that draws one defect on a share of the rows and marks it as the rarer of two classes.

    What is not known stays so and is not drawn upon. A defect that changes less than half of its pixels, as on black
    ground, is not drawn.
    """
    (name,) = (name for name, spec in groups.items() if spec.kind == "image")
    defect = 1 - commonest(groups[TARGET])
    choices_S = torch.tensor([SHAPES[shape] for shape in shapes])

    def apply(batch: dict[str, Tensor], draws: Draws) -> dict[str, Tensor]:
        image_BCHW, ids_BHW = batch[name], batch[TARGET]
        is_met_B, choice_B, dark_B, light_B, mixed_B, contrast_B = draws.uniform(6).unbind(1)
        shape_B = choices_S.to(ids_BHW.device)[(choice_B * len(choices_S)).long()]
        x_BCHW = image_BCHW.float()
        is_known_BHW = ids_BHW != VOID
        mean_BC11 = light(x_BCHW, is_known_BHW)
        spread_B111 = light((x_BCHW - mean_BC11).square(), is_known_BHW).mean(1, keepdim=True).sqrt()
        partner_B = partners(image_BCHW, draws.shared(1)[0])
        texture_BCHW = x_BCHW[partner_B] - mean_BC11[partner_B] + mean_BC11
        texture_BCHW = torch.where(is_known_BHW[partner_B][:, None], texture_BCHW, x_BCHW)
        is_region_B = shape_B == REGION
        share_B = torch.where(is_region_B, mixed_B, 0.0)
        contrast_B = torch.where(is_region_B, _between(contrast_B, *_REGION_CONTRAST), 1.0)
        step_B = torch.where(dark_B < dark, -1.0, 1.0) * _between(light_B, *strength)
        step_B = step_B * torch.where(is_region_B, _REGION_LIGHT, 1.0)
        share_B111, contrast_B111, step_B111 = (of_B[:, None, None, None] for of_B in (share_B, contrast_B, step_B))
        mixed_BCHW = torch.lerp(x_BCHW, texture_BCHW, share_B111)
        coarse_BCHW = F.avg_pool2d(mixed_BCHW, _FINE, stride=1, padding=_FINE // 2, count_include_pad=False)
        defect_BCHW = torch.lerp(coarse_BCHW, mixed_BCHW, contrast_B111) + step_B111 * spread_B111
        cover_BHW = _covered(shape_B, draws, *ids_BHW.shape[1:]) * is_known_BHW
        drawn_BCHW = like(torch.lerp(x_BCHW, defect_BCHW, cover_BHW[:, None]), image_BCHW)
        is_within_BHW = cover_BHW > 0.5
        is_drawn_B = (is_met_B < probability) & _is_seen(drawn_BCHW != image_BCHW, is_within_BHW)
        drawn_BCHW = torch.where(is_drawn_B[:, None, None, None], drawn_BCHW, image_BCHW)
        marked_BHW = torch.where(is_drawn_B[:, None, None] & is_within_BHW, defect, ids_BHW)
        return {**batch, name: drawn_BCHW, TARGET: marked_BHW.to(ids_BHW.dtype)}

    return apply


def _is_seen(is_changed_BCHW: Tensor, is_within_BHW: Tensor) -> Tensor:
    """Tell for each row whether there is a defect, and at least half of it changes a pixel [B]."""
    changed_B = (is_changed_BCHW.any(1) & is_within_BHW).sum((1, 2))
    return (changed_B > 0) & (2 * changed_B >= is_within_BHW.sum((1, 2)))


def _between(draw_B: Tensor, low: float, high: float) -> Tensor:
    """Return even draws of [0, 1) as even steps of the logarithm from low to high."""
    return low * (high / low) ** draw_B


def _covered(shape_B: Tensor, draws: Draws, height: int, width: int) -> Tensor:
    """Return how much of each pixel the defect of the row covers [B, H, W], from 0 to 1."""
    draw_B6 = draws.uniform(6)
    left_B, top_B, turn_B, length_B, width_B, blur_B = draw_B6.unbind(1)
    knots_B1KK = 2 * draws.uniform(_KNOTS * _KNOTS).view(-1, 1, _KNOTS, _KNOTS) - 1
    side = min(height, width)
    length_B = side * torch.stack([_between(length_B, *limits) for limits in _LENGTHS], dim=1)[_each(shape_B)]
    width_B = torch.stack([_between(width_B, *limits) for limits in _WIDTHS], dim=1)[_each(shape_B)]
    width_B = width_B * torch.where(shape_B == SPOT, length_B, torch.where(shape_B == LINE, 1.0, float(side)))
    # Regions are what a tool leaves behind: their sides are nearly those of the picture.
    angle_B = torch.where(shape_B == REGION, 0.3 * (turn_B - 0.5), math.pi * turn_B)[:, None, None]
    x_B1W = (torch.arange(width, device=draw_B6.device) - left_B[:, None] * width)[:, None, :]
    y_BH1 = (torch.arange(height, device=draw_B6.device) - top_B[:, None] * height)[:, :, None]
    along_BHW = x_B1W * angle_B.cos() + y_BH1 * angle_B.sin()
    across_BHW = y_BH1 * angle_B.cos() - x_B1W * angle_B.sin()
    frame = _Frame(along_BHW, across_BHW, length_B[:, None, None], width_B[:, None, None], knots_B1KK)
    depth_BSHW = torch.stack([frame.spot(), frame.line(), frame.region()], dim=1)
    blur_B = torch.where(shape_B == LINE, _between(blur_B, 0.5, 1.0), _between(blur_B, 0.5, 3.0))
    return (depth_BSHW[_each(shape_B)] / blur_B[:, None, None] + 0.5).clamp(0, 1)


def _each(shape_B: Tensor) -> tuple[Tensor, Tensor]:
    return torch.arange(len(shape_B), device=shape_B.device), shape_B


@dataclass(frozen=True)
class _Frame:
    """Each pixel's place along and across a defect, and how many pixels deep inside of it that is (negative outside).

    `length_B11` and `width_B11` are half of the defect's, in pixels; `knots_B1KK` from -1 to 1 make its edge uneven.
    """

    along_BHW: Tensor
    across_BHW: Tensor
    length_B11: Tensor
    width_B11: Tensor
    knots_B1KK: Tensor

    def spot(self) -> Tensor:
        """An ellipse with a wavy edge."""
        radius_BHW = torch.hypot(self.along_BHW / self.length_B11, self.across_BHW / self.width_B11)
        return (1 - radius_BHW + 0.5 * self._wave(self.across_BHW)) * self.width_B11

    def line(self) -> Tensor:
        """A bent line of varying width."""
        bend_BHW = 0.25 * self.length_B11 * self._wave(torch.zeros_like(self.across_BHW))
        width_BHW = self.width_B11 * (1 + 0.6 * self._wave(self.across_BHW))
        return torch.minimum(width_BHW - (self.across_BHW - bend_BHW).abs(), self.length_B11 - self.along_BHW.abs())

    def region(self) -> Tensor:
        """A box with two straight and two wavy sides."""
        width_BHW = self.width_B11 * (1 + 0.15 * self._wave(self.across_BHW))
        return torch.minimum(self.length_B11 - self.along_BHW.abs(), width_BHW - self.across_BHW.abs())

    def _wave(self, across_BHW: Tensor) -> Tensor:
        """Return the knots, spread over one and a half lengths each way, at each pixel."""
        places_BHW2 = torch.stack([self.along_BHW, across_BHW], dim=-1) / (1.5 * self.length_B11[..., None])
        return F.grid_sample(self.knots_B1KK, places_BHW2, "bilinear", "border", align_corners=True)[:, 0]
