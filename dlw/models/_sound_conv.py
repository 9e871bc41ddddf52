"""The layers of `sound_conv`. Shape legend: B rows, T samples, S steps, M mel bands, C channels, K outputs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dlw.models._dropout import Dropout
from dlw.models._log_mel import LogMel, every, only_sound
from dlw.models._output import start_at
from dlw.models.sound_conv import Settings
from dlw.specs import FieldSpec, OutputSpec

STEM_SIZE, STEM_STRIDE = 5, 2


class SoundConv(nn.Module):
    """Log-mel spectrum, strided convolution, separable blocks, mean and deviation over the steps, linear output."""

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> None:
        super().__init__()
        self.group, rate_hz = only_sound(inputs, "sound_conv")
        width = settings.width
        self.spectrum = LogMel(rate_hz, max(1, round(rate_hz * settings.hop_ms / 1000)), settings.mels, STEM_STRIDE)
        self.stem = nn.Conv1d(settings.mels, width, STEM_SIZE, STEM_STRIDE, STEM_SIZE // 2, bias=False)
        self.stem_norm = nn.BatchNorm1d(width)
        self.blocks = nn.ModuleList(
            Block(width, settings.kernel + 2 * place, settings.dropout) for place in range(settings.depth)
        )
        self.dropout = Dropout(settings.dropout)
        self.output = nn.Linear(2 * width, output.size)
        start_at(self.output.bias, output)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, K]."""
        x_BMS, mask_B1S = self.spectrum(batch[self.group])
        mask_B1S = every(mask_B1S, STEM_STRIDE)
        x_BCS = self.stem_norm(self.stem(x_BMS)).relu() * mask_B1S
        for block in self.blocks:
            x_BCS = block(x_BCS, mask_B1S)
        count_B1 = mask_B1S.sum(2).clamp(min=1)
        mean_BC = x_BCS.sum(2) / count_B1
        square_BC = x_BCS.square().sum(2) / count_B1
        deviation_BC = (square_BC - mean_BC.square()).clamp(min=1e-5).sqrt()
        answer_BK: Tensor = self.output(self.dropout(torch.cat([mean_BC, deviation_BC], dim=1)))
        return answer_BK


class Block(nn.Module):
    """relu(x + branch(x)), the branch two separable convolutions over the steps; steps after the end stay zero."""

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.first, self.second = Separable(width, kernel), Separable(width, kernel)
        self.dropout = Dropout(dropout)
        nn.init.zeros_(self.second.norm.weight)

    def forward(self, x_BCS: Tensor, mask_B1S: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        y_BCS = self.dropout(self.first(x_BCS).relu() * mask_B1S)
        z_BCS: Tensor = (x_BCS + self.second(y_BCS)).relu() * mask_B1S
        return z_BCS


class Separable(nn.Module):
    """Each channel over the steps, then each step over the channels, then a norm (Kriman et al. 2019)."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.steps = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width, bias=False)
        self.channels = nn.Conv1d(width, width, 1, bias=False)
        self.norm = nn.BatchNorm1d(width)
        nn.init.kaiming_normal_(self.channels.weight, nonlinearity="relu")

    def forward(self, x_BCS: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        y_BCS: Tensor = self.norm(self.channels(self.steps(x_BCS)))
        return y_BCS
