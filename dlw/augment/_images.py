"""What the picture augmentations share: every image group of the batch goes through one function.

Shape legend: B rows, C channels, H rows of pixels, W columns of pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from dlw.augment._base import Augment, Draws
from dlw.specs import FieldSpec

Change = Callable[[Tensor, Draws, FieldSpec], Tensor]
"""Pictures [B, C, H, W], draws and spec to pictures of the same number type."""


def each_image(groups: Mapping[str, FieldSpec], change: Change) -> Augment:
    """Return an augmentation that applies `change` to every image group."""
    images = {name: spec for name, spec in groups.items() if spec.kind == "image"}

    def apply(batch: dict[str, Tensor], draws: Draws) -> dict[str, Tensor]:
        return {**batch, **{name: change(batch[name], draws, spec) for name, spec in images.items()}}

    return apply


def like(values: Tensor, image_BCHW: Tensor) -> Tensor:
    """Return float values in the picture's number type; for bytes rounded and kept within 0..255."""
    if image_BCHW.is_floating_point():
        return values.to(image_BCHW.dtype)
    return values.round().clamp(0, 255).to(image_BCHW.dtype)


def boxes(top_left_B2: Tensor, sides_B2: Tensor, height: int, width: int) -> Tensor:
    """Return bool [B, 1, H, W], true inside each row's box; places and sides in pixels, parts outside are cut off."""
    ys_H, xs_W = (torch.arange(size, device=sides_B2.device) for size in (height, width))
    end_B2 = top_left_B2 + sides_B2
    inside_BH = (ys_H >= top_left_B2[:, :1]) & (ys_H < end_B2[:, :1])
    inside_BW = (xs_W >= top_left_B2[:, 1:]) & (xs_W < end_B2[:, 1:])
    return (inside_BH[:, :, None] & inside_BW[:, None, :])[:, None]
