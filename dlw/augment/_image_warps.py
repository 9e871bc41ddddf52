"""Movements that fall between pixels: zoom, stretch and turn; elastic bending.

Shape legend: B rows, C channels, H rows of pixels, W columns of pixels, P points.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from dlw.augment._base import Draws
from dlw.augment._image_moves import Warp, mean_of
from dlw.specs import FieldSpec


def draw_affine(
    image_BCHW: Tensor,
    draws: Draws,
    spec: FieldSpec,
    zoom: tuple[float, float],
    stretch: float,
    turn: float,
    is_mirrored: bool,
) -> Warp:
    """Draw zoom (even steps of its logarithm), stretch, turn and place for each row.

    The place is drawn evenly from those where an enlarged picture fills the frame, a shrunken one lies inside it.
    """
    height, width = image_BCHW.shape[-2:]
    draw_B5 = draws.uniform(5)
    low, high = math.log(zoom[0]), math.log(zoom[1])
    zoom_B = torch.exp(low + (high - low) * draw_B5[:, 0])
    stretch_B = torch.exp((2 * draw_B5[:, 1] - 1) * math.log1p(stretch) / 2)
    angle_B = (2 * draw_B5[:, 2] - 1) * math.radians(turn)
    cosine_B, sine_B = torch.cos(angle_B), torch.sin(angle_B)
    across_B, down_B = 1 / (zoom_B * stretch_B), stretch_B / zoom_B
    # Places of the old picture, from its middle in pixels: old = map @ new + shift.
    rows = [across_B * cosine_B, -across_B * sine_B, down_B * sine_B, down_B * cosine_B]
    map_B22 = torch.stack(rows, dim=1).view(-1, 2, 2)
    half_2 = torch.tensor([width, height], dtype=torch.float32, device=image_BCHW.device) / 2
    room_B2 = (1 - torch.stack([across_B, down_B], dim=1)).abs() * half_2
    shift_B2 = (2 * draw_B5[:, 3:] - 1) * room_B2

    ratio_22 = torch.stack([half_2, half_2]) / half_2[:, None]
    grid_map_B23 = torch.cat([map_B22 * ratio_22, (shift_B2 / half_2)[:, :, None]], dim=2)
    places_BHW2 = F.affine_grid(grid_map_B23, [len(image_BCHW), 1, height, width], align_corners=False)
    inverse_B22 = torch.linalg.inv(map_B22)

    def to_new(points_BP2: Tensor) -> Tensor:
        return (points_BP2 - half_2 - shift_B2[:, None]) @ inverse_B22.transpose(1, 2) + half_2

    return Warp(places_BHW2, None if is_mirrored else mean_of(spec, image_BCHW), to_new)


def draw_bending(image_BCHW: Tensor, draws: Draws, cells: int, strength: float) -> Warp:
    """Draw an even shift of up to `strength` pixels for each of cells x cells knots; smooth in between."""
    rows, _, height, width = image_BCHW.shape
    knots_B2KK = (2 * draws.uniform(2 * cells * cells) - 1).view(rows, 2, cells, cells) * strength
    shift_B2HW = F.interpolate(knots_B2KK, (height, width), mode="bicubic", align_corners=True)
    half_2 = torch.tensor([width, height], dtype=torch.float32, device=image_BCHW.device) / 2
    still_123 = torch.eye(2, 3, device=image_BCHW.device)[None]
    still_1HW2 = F.affine_grid(still_123, [1, 1, height, width], align_corners=False)
    return Warp(still_1HW2 + shift_B2HW.permute(0, 2, 3, 1) / half_2, None)
