"""Dropout that is cheap on a CPU: four random masks from each draw of torch's generator."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Dropout(nn.Module):
    """Zero a share `p` of the activations in training and scale up the rest.

    On a CPU torch draws one 64-bit number per activation, which costs more than the matrix product beside it. Here each
    draw serves four activations (16 bits each), so `p` is rounded to 1/65536; the scale is exact for the rounded `p`.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.threshold = round(p * 65536) - 32768
        self.scale = 65536 / (65536 - round(p * 65536))

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        if not self.training or self.scale == 1:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, 1 - 1 / self.scale)
        draws = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        keep = draws.view(torch.int16)[: x.numel()].view(x.shape) >= self.threshold
        return x * keep.to(x.dtype).mul_(self.scale)
