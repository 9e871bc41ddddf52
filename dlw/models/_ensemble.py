"""Independent networks of one recipe, side by side.

Shape legend: B rows, M members, K outputs, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """Networks that share nothing but the batches; each learns by its own loss, the answers are averaged.

    Lakshminarayanan et al. 2017, arXiv:1612.01474.
    """

    def __init__(self, build: Callable[[], nn.Module], size: int, axes: int = 2) -> None:
        """`axes` of one network's answer."""
        super().__init__()
        self.axes = axes
        self.members = nn.ModuleList(build() for _ in range(size))

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, M, K], of maps [B, M, K, H, W]; a member that answers with members of its own adds all of them."""
        answers = [member(batch) for member in self.members]
        return torch.cat([answer if answer.ndim > self.axes else answer.unsqueeze(1) for answer in answers], dim=1)
