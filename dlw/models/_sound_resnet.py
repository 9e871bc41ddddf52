"""The layers of `sound_resnet`. Shape legend: B rows, T samples, S steps, M mel bands, C channels, K outputs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dlw.models import resnet
from dlw.models._dropout import Dropout
from dlw.models._log_mel import LogMel, every, only_sound
from dlw.models._output import start_at
from dlw.models._resnet import convolution, unit
from dlw.models.sound_resnet import Settings
from dlw.specs import FieldSpec, OutputSpec


class SoundResNet(nn.Module):
    """Log-mel spectrum, stem, stages, mean over the bands and the steps that there are, linear output."""

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> None:
        super().__init__()
        self.group, rate_hz = only_sound(inputs, "sound_resnet")
        hop = max(1, round(rate_hz * settings.hop_ms / 1000))
        self.spectrum = LogMel(rate_hz, hop, settings.mels, 2 ** (settings.stages - 1))
        self.stem = unit(1, settings.width, resnet.Settings())
        self.blocks = nn.ModuleList()
        before = settings.width
        for stage in range(settings.stages):
            for place in range(settings.depth):
                after = settings.width * 2**stage
                self.blocks.append(Block(before, after, 2 if stage and not place else 1))
                before = after
        self.dropout = Dropout(settings.dropout)
        self.output = nn.Linear(before, output.size)
        start_at(self.output.bias, output)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, K]."""
        x_BMS, mask_B1S = self.spectrum(batch[self.group])
        x_BCMS = self.stem(x_BMS[:, None]) * mask_B1S[:, None]
        for block in self.blocks:
            assert isinstance(block, Block)
            mask_B1S = every(mask_B1S, block.stride)
            x_BCMS = block(x_BCMS, mask_B1S[:, None])
        mean_BC = x_BCMS.mean(2).sum(2) / mask_B1S.sum(2).clamp(min=1)
        answer_BK: Tensor = self.output(self.dropout(mean_BC))
        return answer_BK


class Block(nn.Module):
    """relu(shortcut(x) + branch(x)); the branch starts as zero; steps after the end stay zero, like the padding."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.first, self.second = unit(before, after, resnet.Settings(), stride=stride), convolution(after, after, 3)
        self.norm = nn.BatchNorm2d(after)
        nn.init.zeros_(self.norm.weight)
        self.shortcut: nn.Module = nn.Identity()
        if before != after or stride > 1:
            # Not one strided convolution: in channels_last, oneDNN's corrupts memory (torch 2.13, AVX2, 4 channels).
            self.shortcut = nn.Sequential(nn.AvgPool2d(1, stride), convolution(before, after, 1))

    def forward(self, x_BCMS: Tensor, mask_B11S: Tensor) -> Tensor:
        """Return [B, after, M / stride, S / stride]; the mask is that of the steps returned."""
        y_BCMS = self.norm(self.second(self.first(x_BCMS) * mask_B11S))
        z_BCMS: Tensor = (y_BCMS + self.shortcut(x_BCMS)).relu() * mask_B11S
        return z_BCMS
