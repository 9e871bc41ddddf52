"""The layers of `patch_series`.

Shape legend: B rows, C channels, T steps, H steps ahead, Q values per step, N channels of all rows, P patches, S steps
of a patch, D width, A heads, E width of a head, K outputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn

from dlw.models._dropout import Dropout
from dlw.models._forecast import Forecaster
from dlw.models._output import start_at
from dlw.models._series import StandardiseSeries, only_series, steps
from dlw.models.patch_series import Settings
from dlw.specs import FieldSpec, OutputSpec

WAVE_BASE = 10_000.0
"""Longest wave of the positions over 2 pi (Vaswani et al. 2017, arXiv:1706.03762, section 3.5)."""


def build_network(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return the network for a forecast, or for a vector."""
    if output.kind == "forecast":
        return Forecaster(inputs, output, settings.normalise, partial(Ahead, settings), "patch_series")
    return Pooled(settings, inputs, output)


class Patches(nn.Module):
    """Patches of series [N, T] to vectors [N, P, D] that have read one another; the last patch ends with the series."""

    def __init__(self, settings: Settings, size_in: int) -> None:
        super().__init__()
        self.patch, self.stride = settings.patch, settings.stride
        self.enter = nn.Conv1d(size_in, settings.width, settings.patch, settings.stride)
        self.layers = nn.ModuleList(Layer(settings) for _ in range(settings.depth))
        self.norm = nn.LayerNorm(settings.width)
        half = torch.arange(0, settings.width, 2, dtype=torch.float32) / settings.width
        self.register_buffer("frequency_E", torch.exp(-math.log(WAVE_BASE) * half), persistent=False)
        self.scale = nn.Parameter(torch.full((1,), 0.1))

    def forward(self, x_NIT: Tensor, known_N1P: Tensor | None = None) -> Tensor:
        """Return [N, P, D]; patches that are not known are read by none."""
        x_NPD = self.enter(x_NIT).transpose(1, 2)
        x_NPD = x_NPD + self.scale * self._positions(x_NPD)
        for layer in self.layers:
            x_NPD = layer(x_NPD, known_N1P)
        answer: Tensor = self.norm(x_NPD)
        return answer

    def _positions(self, x_NPD: Tensor) -> Tensor:
        frequency_E = self.frequency_E
        assert isinstance(frequency_E, Tensor)
        place_P = torch.ones_like(x_NPD[0, :, 0]).cumsum(0)
        angle_PE = place_P[:, None] * frequency_E
        return torch.cat([angle_PE.sin(), angle_PE.cos()], dim=1)[:, : x_NPD.shape[2]]


class Layer(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        width = settings.width
        self.heads = settings.heads
        self.attention_norm, self.mlp_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.read, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.dropout = Dropout(settings.dropout)

    def forward(self, x_NPD: Tensor, known_N1P: Tensor | None) -> Tensor:
        """Return a tensor of the same shape."""
        x_NPD = x_NPD + self.dropout(self._attend(self.attention_norm(x_NPD), known_N1P))
        y_NPD: Tensor = x_NPD + self.dropout(self.mlp(self.mlp_norm(x_NPD)))
        return y_NPD

    def _attend(self, x_NPD: Tensor, known_N1P: Tensor | None) -> Tensor:
        # In float32 even under autocast: the backward pass of attention in bfloat16 is slow on a CPU.
        parts_NAPE = [part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.read(x_NPD).chunk(3, dim=2)]
        query_NAPE, key_NAPE, value_NAPE = (part.float() for part in parts_NAPE)
        with torch.autocast(x_NPD.device.type, enabled=False):
            logits_NAPP = query_NAPE @ key_NAPE.transpose(2, 3) / math.sqrt(query_NAPE.shape[3])
            if known_N1P is not None:
                logits_NAPP = logits_NAPP + (known_N1P.unsqueeze(1) - 1) * UNREAD
            read_NAPE = logits_NAPP.softmax(3) @ value_NAPE
        answer: Tensor = self.mix(read_NAPE.transpose(1, 2).flatten(2))
        return answer


UNREAD = 1e9


class Ahead(nn.Module):
    """Centred histories [B, C, T] to [B, C, H * Q]: the end of a history is repeated up to whole patches."""

    def __init__(self, settings: Settings, length: int, ahead: int, values: int) -> None:
        super().__init__()
        self.patches = Patches(settings, 1)
        over = max(settings.patch - length, 0) or (settings.patch - length) % settings.stride
        self.repeated = over
        count = (length + over - settings.patch) // settings.stride + 1
        self.dropout = Dropout(settings.dropout)
        self.output = nn.Linear(count * settings.width, ahead * values)

    def forward(self, x_BCT: Tensor) -> Tensor:
        """Return [B, C, H * Q]."""
        filled_BCT = torch.cat([x_BCT, x_BCT[..., -1:].expand(-1, -1, self.repeated)], dim=2)
        vectors_NPD = self.patches(filled_BCT.flatten(0, 1).unsqueeze(1))
        out_NV = self.output(self.dropout(vectors_NPD.flatten(1)))
        return out_NV.unflatten(0, (-1, x_BCT.shape[1]))


class Pooled(nn.Module):
    """Each channel's patches with a mark of what is known, averaged; the channels side by side, linear output."""

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> None:
        super().__init__()
        self.group, spec = only_series(inputs, "patch_series")
        self.standardise = StandardiseSeries(spec)
        self.patches = Patches(settings, 2)
        self.dropout = Dropout(settings.dropout)
        self.output = nn.Linear(spec.shape[1] * settings.width, output.size)
        start_at(self.output.bias, output)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, K]."""
        x_BTC, known_BTC = self.standardise(batch[self.group])
        step_BTC = steps(known_BTC).expand_as(x_BTC)
        parts_NIT = [part.transpose(1, 2).flatten(0, 1) for part in (x_BTC * known_BTC, known_BTC, step_BTC)]
        both_NIT = torch.stack(parts_NIT, dim=1)
        # Two patches at least: tracers take a size of 1 for a constant.
        both_NIT = nn.functional.pad(both_NIT, (0, self.patches.patch - 1 + self.patches.stride))
        # A convolution like that of the patches: for tracers, no other count of patches is the same.
        ones_11S = torch.ones_like(self.patches.enter.weight[:1, :1])
        held_N1P = nn.functional.conv1d(both_NIT[:, 2:], ones_11S, stride=self.patches.stride)
        known_N1P = (held_N1P > 0.5).to(held_N1P.dtype)
        vectors_NPD = self.patches(both_NIT[:, :2], known_N1P)
        weight_NP1 = known_N1P.transpose(1, 2)
        mean_ND = (vectors_NPD * weight_NP1).sum(1) / weight_NP1.sum(1).clamp(min=1)
        flat_BF = mean_ND.unflatten(0, (-1, x_BTC.shape[2])).flatten(1)
        answer_BK: Tensor = self.output(self.dropout(flat_BF))
        return answer_BK
