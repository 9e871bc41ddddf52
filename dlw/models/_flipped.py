"""One network that answers a picture and its mirror images.

Shape legend: B rows, V views, K outputs, H rows of pixels, W columns of pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import torch
from torch import Tensor, nn

from dlw.specs import FieldSpec

AXES = {"vertical": -2, "horizontal": -1}


class Flipped(nn.Module):
    """In evaluation every combination of flips is answered, maps are flipped back, and the answers are averaged like
    those of an ensemble; in training the network alone learns.

    Test-time augmentation (Krizhevsky et al. 2012, section 4.1).
    """

    def __init__(
        self, network: nn.Module, flips: Sequence[str], inputs: Mapping[str, FieldSpec], *, is_map: bool
    ) -> None:
        super().__init__()
        self.network = network
        self.is_map = is_map
        self.groups = [name for name, spec in inputs.items() if spec.kind == "image"]
        axes = [AXES[flip] for flip in flips]
        self.views = [view for size in range(len(axes) + 1) for view in combinations(axes, size)]

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, K(, H, W)] in training, else [B, V, K(, H, W)], 2 views for one flip and 4 for both."""
        if self.training:
            answer: Tensor = self.network(batch)
            return answer
        return torch.stack([self._answer(batch, view) for view in self.views], dim=1)

    def _answer(self, batch: Mapping[str, Tensor], view: tuple[int, ...]) -> Tensor:
        if not view:
            answer: Tensor = self.network(batch)
            return answer
        answer = self.network({**batch, **{name: batch[name].flip(view) for name in self.groups}})
        return answer.flip(view) if self.is_map else answer
