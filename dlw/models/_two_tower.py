"""The layers of `two_tower`.

Shape legend: B rows, T steps (0 after a history's end), L steps that are looked at, D width, K items.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from dlw.models._columns import CategoryVectors, NumberVectors, number_features
from dlw.models._items import Items, at_end, last_steps, only_items
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from dlw.models.two_tower import Settings

BINS = 16


class TwoTower(nn.Module):
    """The user's tower, and items with their biases."""

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> None:
        super().__init__()
        width = settings.width
        self.group, self.window = only_items(inputs, output, "two_tower"), settings.window
        self.items = Items(output, width)
        self.columns = nn.ModuleDict(
            {name: _column(spec, width) for name, spec in inputs.items() if name != self.group}
        )
        self.mix = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(settings.dropout)
        self.hidden: nn.Module | None = None
        if settings.hidden:
            last = nn.Linear(settings.hidden, width)
            self.hidden = nn.Sequential(nn.Linear(width, settings.hidden), nn.GELU(), last)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, K]; in training [B, L, K], L at most the window."""
        item_BT = batch[self.group]
        item_BL = item_BT[:, : self.window] if self.training else last_steps(item_BT, self.window)
        user_BLD = self.dropout(self.mix(self._means(item_BL)) + self._of_columns(batch))
        if not self.training:
            user_BLD = at_end(user_BLD, item_BL)
        if self.hidden is not None:
            user_BLD = user_BLD + self.hidden(user_BLD)
        score = self.items.score(self.norm(user_BLD))
        return score if self.training else self.items.finish(score, item_BT)

    def _means(self, item_BL: Tensor) -> Tensor:
        """Return the mean of the items up to each step."""
        sum_BLD = self.items.embedding(item_BL).cumsum(1) * self.norm.normalized_shape[0] ** 0.5
        count_L1 = torch.arange(1, item_BL.shape[1] + 1, device=item_BL.device).unsqueeze(1)
        return sum_BLD / count_L1

    def _of_columns(self, batch: Mapping[str, Tensor]) -> Tensor | float:
        """Return [B, 1, D], the sum of the vectors of the columns."""
        parts = [column(batch[name]).sum(1, keepdim=True) for name, column in self.columns.items()]
        return torch.cat(parts, dim=1).sum(1, keepdim=True) if parts else 0.0


def _column(spec: FieldSpec, width: int) -> nn.Module:
    if spec.kind == "category":
        return CategoryVectors(spec, width)
    return NumberVectors(number_features(spec, "piecewise_linear", BINS, 1, 1.0), spec, width)
