"""The layers of `series_conv`. Shape legend: B rows, T steps, C channels of the series, D channels, K outputs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dlw.errors import UsageError
from dlw.models._dropout import Dropout
from dlw.models._output import start_at
from dlw.models._series import StandardiseSeries, only_series, steps
from dlw.models.series_conv import Settings
from dlw.specs import FieldSpec, OutputSpec


class SeriesConv(nn.Module):
    """Standardise, mark gaps, blocks, mean and maximum over the steps of the row, linear output."""

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> None:
        super().__init__()
        self.group, spec = only_series(inputs, "series_conv")
        if any(kernel % 2 == 0 for kernel in settings.kernels):
            raise UsageError(f"model.kernels: {settings.kernels}: lengths must be odd, so that steps keep their places")
        self.standardise = StandardiseSeries(spec)
        width = settings.width * len(settings.kernels)
        sizes = [2 * spec.shape[1], *[width] * settings.depth]
        self.blocks = nn.ModuleList(Block(before, settings) for before in sizes[:-1])
        self.dropout = Dropout(settings.dropout)
        self.output = nn.Linear(2 * width, output.size)
        start_at(self.output.bias, output)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, K]."""
        x_BTC, known_BTC = self.standardise(batch[self.group])
        step_B1T = steps(known_BTC).transpose(1, 2)
        x_BDT = torch.cat([x_BTC, known_BTC], dim=2).transpose(1, 2)
        for block in self.blocks:
            x_BDT = block(x_BDT, step_B1T)
        mean_BD = x_BDT.sum(2) / step_B1T.sum(2).clamp(min=1)
        answer_BK: Tensor = self.output(self.dropout(torch.cat([mean_BD, x_BDT.amax(2)], dim=1)))
        return answer_BK


class Block(nn.Module):
    """Kernels side by side, batch norm, the input added, ReLU; steps after the end stay 0, like the padding."""

    def __init__(self, size_in: int, settings: Settings) -> None:
        super().__init__()
        width = settings.width * len(settings.kernels)
        self.kernels = nn.ModuleList(
            nn.Conv1d(size_in, settings.width, kernel, padding=kernel // 2, bias=False) for kernel in settings.kernels
        )
        self.norm = nn.BatchNorm1d(width)
        self.past = nn.Conv1d(size_in, width, 1)

    def forward(self, x_BDT: Tensor, step_B1T: Tensor) -> Tensor:
        """Return [B, D, T], 0 and above."""
        seen_BDT = torch.cat([kernel(x_BDT) for kernel in self.kernels], dim=1)
        return torch.relu(self.norm(seen_BDT) + self.past(x_BDT)) * step_B1T
