"""Raw pixels to standardised float pictures: the first layer of the picture networks.

Shape legend: B rows, C channels, H rows of pixels, W columns of pixels.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dlw.errors import UsageError
from dlw.specs import FieldSpec


class Standardise(nn.Module):
    """(pixels - mean) / std per channel, with the statistics of the training split in units of 0..255."""

    scale_C11: Tensor
    shift_C11: Tensor

    def __init__(self, spec: FieldSpec) -> None:
        super().__init__()
        mean_C11, std_C11 = (
            torch.tensor(spec.statistics[key], dtype=torch.float32).reshape(-1, 1, 1) for key in ("mean", "std")
        )
        scale_C11 = 1 / torch.where(std_C11 > 0, std_C11, 1.0)
        self.register_buffer("scale_C11", scale_C11)
        self.register_buffer("shift_C11", -mean_C11 * scale_C11)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Return float32 [B, C, H, W] from raw pixels of any number type."""
        return torch.addcmul(self.shift_C11, image_BCHW.to(self.scale_C11.dtype), self.scale_C11)


class StandardisePicture(nn.Module):
    """(pixels - mean) / std with the picture's own statistics over all channels: exposure and contrast say nothing."""

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Return float32 [B, C, H, W] from raw pixels of any number type."""
        shifted_BCHW = image_BCHW.float()
        shifted_BCHW = shifted_BCHW - shifted_BCHW.mean((1, 2, 3), keepdim=True)
        return shifted_BCHW / shifted_BCHW.square().mean((1, 2, 3), keepdim=True).sqrt().clamp(min=1.0)


def standardising(spec: FieldSpec, by: str) -> nn.Module:
    """Return the layer for the recipe word: by the `training` split's statistics, or by the `picture`'s own."""
    return StandardisePicture() if by == "picture" else Standardise(spec)


def only_image(inputs: Mapping[str, FieldSpec], model: str) -> tuple[str, FieldSpec]:
    """Return the name and spec of the single input picture; raises UsageError if the inputs are anything else."""
    if [spec.kind for spec in inputs.values()] != ["image"]:
        given = ", ".join(f"{name} ({spec.kind})" for name, spec in inputs.items())
        raise UsageError(f"model {model} takes exactly one image input, the recipe gives {given or 'none'}")
    return next(iter(inputs.items()))
