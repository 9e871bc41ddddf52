"""The layers of `vit`.

Shape legend: B rows, C channels, H rows of pixels, W columns of pixels, N patches, D width, A heads, E width of a head,
K outputs.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlw.models._attention import attend, turn
from dlw.models._images import Standardise, only_image
from dlw.models._output import start_at
from dlw.models.vit import Settings
from dlw.specs import FieldSpec, OutputSpec

ROPE_BASE = 100.0
"""Slowest wave of the rotary positions: long against the some ten patches of a side (1e4 is meant for long texts)."""


class VisionTransformer(nn.Module):
    """Standardise, pad, patches to vectors, layers, mean over the patches, linear output."""

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> None:
        super().__init__()
        self.group, spec = only_image(inputs, "vit")
        channels, height, width = spec.shape
        self.padding = (0, -width % settings.patch, 0, -height % settings.patch)
        rows, columns = -(-height // settings.patch), -(-width // settings.patch)
        self.standardise = Standardise(spec)
        self.patches = nn.Conv2d(channels, settings.width, settings.patch, settings.patch)
        self.position_ND: nn.Parameter | None = None
        if settings.positions == "learned":
            self.position_ND = nn.Parameter(torch.randn(rows * columns, settings.width) * 0.02)
        self.layers = nn.ModuleList(Layer(settings, rows, columns) for _ in range(settings.depth))
        self.norm = nn.LayerNorm(settings.width)
        self.output = nn.Linear(settings.width, output.size)
        nn.init.normal_(self.output.weight, std=0.02)
        start_at(self.output.bias, output, otherwise=0.0)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, K]."""
        image_BCHW = F.pad(self.standardise(batch[self.group]), self.padding)
        x_BND = self.patches(image_BCHW).flatten(2).transpose(1, 2)
        if self.position_ND is not None:
            x_BND = x_BND + self.position_ND
        for layer in self.layers:
            x_BND = layer(x_BND)
        answer_BK: Tensor = self.output(self.norm(x_BND).mean(dim=1))
        return answer_BK


class Layer(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)); both branches start as zero."""

    def __init__(self, settings: Settings, rows: int, columns: int) -> None:
        super().__init__()
        width, hidden = settings.width, max(1, round(settings.width * settings.mlp_ratio))
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(settings, rows, columns)
        self.mlp_norm = nn.LayerNorm(width)
        last = nn.Linear(hidden, width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), last)
        self.dropout = nn.Dropout(settings.dropout)
        for parameter in (*last.parameters(), *self.attention.mix.parameters()):
            nn.init.zeros_(parameter)

    def forward(self, x_BND: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        x_BND = x_BND + self.dropout(self.attention(self.attention_norm(x_BND)))
        y_BND: Tensor = x_BND + self.dropout(self.mlp(self.mlp_norm(x_BND)))
        return y_BND


class Attention(nn.Module):
    """Every patch reads every patch, with normalised queries and keys."""

    cosine_NE: Tensor
    sine_NE: Tensor

    def __init__(self, settings: Settings, rows: int, columns: int) -> None:
        super().__init__()
        self.heads, self.is_rotary = settings.heads, settings.positions == "rope"
        head_width = settings.width // settings.heads
        self.read = nn.Linear(settings.width, 3 * settings.width)
        self.query_norm = nn.RMSNorm(head_width, eps=1e-6)
        self.key_norm = nn.RMSNorm(head_width, eps=1e-6)
        self.mix = nn.Linear(settings.width, settings.width)
        if self.is_rotary:
            angle_NE = _angles(rows, columns, head_width)
            self.register_buffer("cosine_NE", angle_NE.cos(), persistent=False)
            self.register_buffer("sine_NE", angle_NE.sin(), persistent=False)

    def forward(self, x_BND: Tensor) -> Tensor:
        """Return [B, N, D]."""
        x_BANE = self.read(x_BND).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query_BANE = self._turn(self.query_norm(x_BANE[0].float()))
        key_BANE = self._turn(self.key_norm(x_BANE[1].float()))
        y_BANE = attend(query_BANE, key_BANE, x_BANE[2])
        y_BND: Tensor = self.mix(y_BANE.transpose(1, 2).flatten(2))
        return y_BND

    def _turn(self, x_BANE: Tensor) -> Tensor:
        return turn(x_BANE, self.cosine_NE, self.sine_NE) if self.is_rotary else x_BANE


def _angles(rows: int, columns: int, head_width: int) -> Tensor:
    """Return [N, E]: the first half of the waves turns with the row, the second with the column of the patch."""
    frequency = ROPE_BASE ** -(torch.arange(head_width // 4) / (head_width // 4))
    row_N, column_N = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).unbind(-1)
    half = torch.cat([row_N[:, None] * frequency, column_N[:, None] * frequency], dim=-1)
    return torch.cat([half, half], dim=-1)
