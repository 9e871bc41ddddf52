"""The layers of `speech`.

Shape legend: B rows, T samples, S steps, M mel bands, D width, A heads, E width of a head, K outputs.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlw.models._attention import attend, reading_only
from dlw.models._dropout import Dropout
from dlw.models._log_mel import LogMel, every, only_sound
from dlw.models.speech import Settings
from dlw.specs import FieldSpec, OutputSpec

SUBSAMPLING = 4
"""Spectra that become one step, by two convolutions of stride 2."""
SILENT = -1e4
"""Logit of what cannot be: finite, so that half precision and softmax stay clean."""


class Speech(nn.Module):
    """Log-mel spectrum, two strided convolutions, conformer layers, one vector of logits a step.

    Steps after the end of a recording answer with output 0 for certain.
    """

    ended_K: Tensor

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> None:
        super().__init__()
        self.group, rate_hz = only_sound(inputs, "speech")
        width = settings.width
        hop = max(1, round(rate_hz * output.step_seconds / SUBSAMPLING))
        self.spectrum = LogMel(rate_hz, hop, settings.mels, SUBSAMPLING)
        self.first = nn.Conv1d(settings.mels, width, 5, 2, 2)
        self.second = nn.Conv1d(width, width, 5, 2, 2)
        self.dropout = Dropout(settings.dropout)
        self.layers = nn.ModuleList(Layer(settings) for _ in range(settings.depth))
        self.output = nn.Linear(width, output.size)
        ended_K = torch.full((output.size,), SILENT)
        ended_K[0] = 0
        self.register_buffer("ended_K", ended_K, persistent=False)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, S, K]."""
        x_BMS, mask_B1S = self.spectrum(batch[self.group])
        mask_B1S = every(mask_B1S, 2)
        x_BDS = F.silu(self.first(x_BMS)) * mask_B1S
        mask_B1S = every(mask_B1S, 2)
        x_BDS = F.silu(self.second(x_BDS))
        x_BSD, mask_BS1 = self.dropout(x_BDS.transpose(1, 2)), mask_B1S.transpose(1, 2)
        for layer in self.layers:
            x_BSD = layer(x_BSD, mask_BS1)
        logits_BSK = self.output(x_BSD)
        return torch.where(mask_BS1 > 0, logits_BSK, self.ended_K.to(logits_BSK.dtype))


class Layer(nn.Module):
    """Half a feed-forward, attention, convolution, half a feed-forward, norm (Gulati et al. 2020, arXiv:2005.08100).

    The norm inside the convolution is over the channels of a step, so that what follows a recording changes nothing.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        width = settings.width
        self.before = _feed_forward(width, settings.dropout)
        self.attention = Attention(width, settings.heads) if settings.heads else None
        self.convolution = Convolution(width, settings.kernel)
        self.after = _feed_forward(width, settings.dropout)
        self.norm = nn.LayerNorm(width)
        self.dropout = Dropout(settings.dropout)

    def forward(self, x_BSD: Tensor, mask_BS1: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        x_BSD = x_BSD + 0.5 * self.before(x_BSD)
        if self.attention is not None:
            x_BSD = x_BSD + self.dropout(self.attention(x_BSD, mask_BS1))
        x_BSD = x_BSD + self.dropout(self.convolution(x_BSD, mask_BS1))
        y_BSD: Tensor = self.norm(x_BSD + 0.5 * self.after(x_BSD))
        return y_BSD


class Attention(nn.Module):
    """Every step reads every step of its recording; where things are, the convolutions know."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.read = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)

    def forward(self, x_BSD: Tensor, mask_BS1: Tensor) -> Tensor:
        """Return [B, S, D]."""
        x_BASE = self.read(self.norm(x_BSD)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y_BASE = attend(x_BASE[0], x_BASE[1], x_BASE[2], reading_only(mask_BS1.squeeze(2) > 0))
        y_BSD: Tensor = self.mix(y_BASE.transpose(1, 2).flatten(2))
        return y_BSD


class Convolution(nn.Module):
    """Gate, each channel over the steps, norm, each step over the channels."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.gate = nn.Linear(width, 2 * width)
        self.steps = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.channel_norm = nn.LayerNorm(width)
        self.mix = nn.Linear(width, width)

    def forward(self, x_BSD: Tensor, mask_BS1: Tensor) -> Tensor:
        """Return [B, S, D]."""
        x_BSD = F.glu(self.gate(self.norm(x_BSD)), dim=-1) * mask_BS1
        x_BSD = self.steps(x_BSD.transpose(1, 2)).transpose(1, 2)
        y_BSD: Tensor = self.mix(F.silu(self.channel_norm(x_BSD)))
        return y_BSD


def _feed_forward(width: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(width),
        nn.Linear(width, 4 * width),
        nn.SiLU(),
        Dropout(dropout),
        nn.Linear(4 * width, width),
        Dropout(dropout),
    )
