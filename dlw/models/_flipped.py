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
        self.rows_a_row = len(self.views)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, K(, H, W)] in training, else [B, V, K(, H, W)], 2 views for one flip and 4 for both."""
        if self.training:
            answer: Tensor = self.network(batch)
            return answer
        rows = batch[self.groups[0]].shape[0]  # len() would tie an export to it
        # All views in one call: an export then holds the network once.
        answer = self.network({name: torch.cat(self._seen(name, group)) for name, group in batch.items()})
        answer = answer.reshape(len(self.views), rows, *answer.shape[1:])
        if self.is_map:
            answer = torch.stack([of_view.flip(view) for of_view, view in zip(answer, self.views, strict=True)])
        return answer.transpose(0, 1)

    def _seen(self, name: str, group: Tensor) -> list[Tensor]:
        return [group.flip(view) if name in self.groups else group for view in self.views]
