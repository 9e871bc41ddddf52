"""Layers of the transformer over columns.

Shapes: B rows, C tokens (the summary token first, then one per column), E token size, H heads, K outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlw.models._columns import CategoryVectors, NumberVectors, number_features
from dlw.models._dropout import Dropout
from dlw.models._output import start_at
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from dlw.models.tabular_transformer import Settings

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}


class Attention(nn.Module):
    """Self-attention of all tokens, asked by the first `num_queries` of them (None: by all)."""

    def __init__(self, size: int, heads: int, num_queries: int | None) -> None:
        super().__init__()
        self.heads = heads
        self.num_queries = num_queries
        self.query = nn.Linear(size, size)
        self.key_value = nn.Linear(size, 2 * size)
        self.out = nn.Linear(size, size)

    def forward(self, x_BCE: Tensor) -> Tensor:
        """Return [B, num_queries, E]."""
        query = self.query(x_BCE[:, : self.num_queries]).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        key, value = self.key_value(x_BCE).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        answer: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return answer


class Block(nn.Module):
    """Normalise, attend, add; normalise, dense, add. The last block keeps the summary token alone."""

    def __init__(self, settings: Settings, *, is_last: bool) -> None:
        super().__init__()
        hidden = max(1, round(settings.size * settings.hidden_factor))
        num_queries = 1 if is_last else None
        self.num_queries = num_queries
        self.norm_attention = nn.LayerNorm(settings.size)
        self.attention = Attention(settings.size, settings.heads, num_queries)
        self.norm_dense = nn.LayerNorm(settings.size)
        self.dense = nn.Sequential(
            nn.Linear(settings.size, hidden),
            ACTIVATIONS[settings.activation](),
            *([Dropout(settings.dropout)] if settings.dropout else []),
            nn.Linear(hidden, settings.size),
        )

    def forward(self, x_BCE: Tensor) -> Tensor:
        """Return [B, C, E], from the last block [B, 1, E]."""
        x_BCE = x_BCE[:, : self.num_queries] + self.attention(self.norm_attention(x_BCE))
        mixed: Tensor = x_BCE + self.dense(self.norm_dense(x_BCE))
        return mixed


class TabularTransformer(nn.Module):
    """Tokens of the columns behind a learned summary token, blocks, output from the summary token."""

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> None:
        super().__init__()
        self.groups = tuple(inputs)
        self.entries = nn.ModuleList(_entry(settings, spec) for spec in inputs.values())
        num_columns = sum(spec.shape[0] for spec in inputs.values())
        self.summary_token_E = nn.Parameter(torch.randn(settings.size) * settings.size**-0.5)
        self.column_token_CE = nn.Parameter(torch.randn(num_columns, settings.size) * settings.size**-0.5)
        self.blocks = nn.Sequential(*(Block(settings, is_last=i == settings.depth - 1) for i in range(settings.depth)))
        self.norm = nn.LayerNorm(settings.size)
        self.last = nn.Linear(settings.size, output.size)
        start_at(self.last.bias, output)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return [B, K]."""
        parts = [entry(inputs[group]) for group, entry in zip(self.groups, self.entries, strict=True)]
        columns_BCE = torch.cat(parts, dim=1)
        summary_B1E = self.summary_token_E.expand(columns_BCE.shape[0], 1, -1)
        x_B1E = self.blocks(torch.cat([summary_B1E, columns_BCE + self.column_token_CE], dim=1))
        answer: Tensor = self.last(self.norm(x_B1E[:, 0]))
        return answer


def _entry(settings: Settings, spec: FieldSpec) -> nn.Module:
    if spec.kind == "category":
        return CategoryVectors(spec, settings.size)
    features = number_features(
        spec, settings.number_embedding, settings.bins, settings.frequencies, settings.frequency_scale
    )
    return NumberVectors(features, spec, settings.size)
