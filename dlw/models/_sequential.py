"""The layers of `sequential`.

Shape legend: B rows, T steps (0 after a history's end), L steps that are looked at, D width, A heads, E width of a
head, K items.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor, nn

from dlw.models._attention import angles, attend, turn
from dlw.models._items import Items, at_end, last_steps, only_items
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from dlw.models.sequential import Settings


class Sequential(nn.Module):
    """Items to vectors, causal layers, scores of all items."""

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> None:
        super().__init__()
        self.group = only_items(inputs, output, "sequential")
        self.window = settings.window
        self.items = Items(output, settings.width)
        self.layers = nn.ModuleList(Layer(settings) for _ in range(settings.depth))
        self.norm = nn.LayerNorm(settings.width)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, K]; in training [B, L, K], L at most the window."""
        item_BT = batch[self.group]
        if self.training:
            return self.items.score(self._wishes(item_BT[:, : self.window]))
        item_BL = last_steps(item_BT, self.window)
        return self.items.finish(self.items.score(at_end(self._wishes(item_BL), item_BL)), item_BT)

    def _wishes(self, item_BL: Tensor) -> Tensor:
        vector_BLD = self.items.embedding(item_BL) * self.norm.normalized_shape[0] ** 0.5
        vector_BLD = self.dropout(vector_BLD)
        for layer in self.layers:
            vector_BLD = layer(vector_BLD)
        wish_BLD: Tensor = self.norm(vector_BLD)
        return wish_BLD


class Layer(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)). What follows the end of a history is never looked at before it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        width = settings.width
        self.heads = settings.heads
        self.attention_norm, self.mlp_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.read, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(settings.dropout), nn.Linear(2 * width, width)
        )
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x_BLD: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        x_BLD = x_BLD + self.dropout(self._attend(self.attention_norm(x_BLD)))
        y_BLD: Tensor = x_BLD + self.dropout(self.mlp(self.mlp_norm(x_BLD)))
        return y_BLD

    def _attend(self, x_BLD: Tensor) -> Tensor:
        query_BALE, key_BALE, value_BALE = self.read(x_BLD).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        cosine_LE, sine_LE = angles(x_BLD.shape[1], query_BALE.shape[-1], x_BLD.device)
        query_BALE, key_BALE = (turn(part.float(), cosine_LE, sine_LE) for part in (query_BALE, key_BALE))
        y_BALE = attend(query_BALE, key_BALE, value_BALE, is_causal=True)
        y_BLD: Tensor = self.mix(y_BALE.transpose(1, 2).flatten(2))
        return y_BLD
