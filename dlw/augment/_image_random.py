"""Random operations of one strength, after RandAugment. Shape legend: B rows, C channels, H and W pixels.

Each round, each row draws one operation. Colours change at once; movements are collected in one affine map per row and
read with one `grid_sample` at the end.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from dlw.augment._base import Draws
from dlw.augment._images import like

OPERATIONS = (
    "identity",
    "rotate",
    "shear_x",
    "shear_y",
    "shift_x",
    "shift_y",
    "zoom",
    "brightness",
    "contrast",
    "solarize",
)
_MOVES = OPERATIONS[1:7]
FULL_TURN, FULL_SHEAR, FULL_SHIFT, FULL_ZOOM, FULL_COLOUR = 0.52, 0.3, 0.3, 0.3, 0.9
"""What strength 1 means: radians (30 degrees), shear, share of the side, share of the size, change of the factor
(the largest values of Cubuk et al. 2020, arXiv:1909.13719, with a smaller shift for small pictures)."""


def change_at_random(image_BCHW: Tensor, draws: Draws, rounds: int, strength: float) -> Tensor:
    """Apply `rounds` operations of random sign and up to the given strength to each row."""
    x_BCHW = image_BCHW.float()
    map_B33 = torch.eye(3, device=x_BCHW.device).expand(len(x_BCHW), 3, 3)
    for _ in range(rounds):
        draw_B2 = draws.uniform(2)
        operation_B = (draw_B2[:, 0] * len(OPERATIONS)).long()
        amount_B = (2 * draw_B2[:, 1] - 1) * strength
        map_B33 = _movement(operation_B, amount_B) @ map_B33
        x_BCHW = _colours(x_BCHW, operation_B, amount_B)
    return like(_move(x_BCHW, map_B33), image_BCHW)


def _move(x_BCHW: Tensor, map_B33: Tensor) -> Tensor:
    """Read each picture at the places its map names; turns stay turns where height and width differ."""
    height, width = x_BCHW.shape[-2:]
    aspect = torch.tensor([[1.0, height / width], [width / height, 1.0]], device=x_BCHW.device)
    map_B23 = torch.cat([map_B33[:, :2, :2] * aspect, map_B33[:, :2, 2:]], dim=2)
    grid_BHW2 = F.affine_grid(map_B23, list(x_BCHW.shape), align_corners=False)
    return F.grid_sample(x_BCHW, grid_BHW2, align_corners=False)


def _movement(operation_B: Tensor, amount_B: Tensor) -> Tensor:
    """Return each row's map [B, 3, 3] from places in the new picture to places in the old, both in -1..1."""
    turn, shear_x, shear_y, shift_x, shift_y, zoom = (
        torch.where(operation_B == OPERATIONS.index(name), amount_B, 0.0) for name in _MOVES
    )
    cosine, sine, size = torch.cos(turn * FULL_TURN), torch.sin(turn * FULL_TURN), 1 + zoom * FULL_ZOOM
    zero, one = torch.zeros_like(zoom), torch.ones_like(zoom)
    cells = [
        *(cosine * size, shear_x * FULL_SHEAR - sine, 2 * shift_x * FULL_SHIFT),
        *(shear_y * FULL_SHEAR + sine, cosine * size, 2 * shift_y * FULL_SHIFT),
        *(zero, zero, one),
    ]
    return torch.stack(cells, dim=1).view(-1, 3, 3)


def _colours(x_BCHW: Tensor, operation_B: Tensor, amount_B: Tensor) -> Tensor:
    """Return the pictures with brightness, contrast or inverted lights, one multiplication and addition for all."""

    def chosen(name: str) -> Tensor:
        return torch.where(operation_B == OPERATIONS.index(name), amount_B, 0.0)[:, None, None, None]

    contrast_B111 = 1 + chosen("contrast") * FULL_COLOUR
    gain_B111 = (1 + chosen("brightness") * FULL_COLOUR) * contrast_B111
    offset_B111 = (1 - contrast_B111) * x_BCHW.mean(dim=(1, 2, 3), keepdim=True)
    x_BCHW = torch.addcmul(offset_B111, x_BCHW, gain_B111).clamp(0, 255)
    threshold_B111 = 255 * (1 - chosen("solarize").abs())
    return torch.where(x_BCHW > threshold_B111, 255 - x_BCHW, x_BCHW)
