"""The layers of `rocket`. Shape legend: B rows, T steps, C channels, F kernels, Q thresholds, D features, K outputs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from statistics import NormalDist

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlw.models._dropout import Dropout
from dlw.models._output import start_at
from dlw.models._series import StandardiseSeries, only_series, steps
from dlw.models.rocket import Settings
from dlw.specs import FieldSpec, OutputSpec

LENGTH, HIGH = 9, 3
"""Taps of a kernel and how many of them are 2, the others -1 (section 3.1): 84 kernels that sum up to 0."""
MOST_DILATIONS = 32
SMALLEST = 1e-6
GOLDEN = 0.6180339887498949
"""The fractional part of its multiples fills 0 to 1 evenly: thresholds differ by kernel (section 3.2)."""


class Rocket(nn.Module):
    """Standardise, convolve at each dilation, share of steps above thresholds, standardise the features, linear."""

    weight_F1T: Tensor
    mixture_FC: Tensor

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> None:
        super().__init__()
        self.group, spec = only_series(inputs, "rocket")
        self.standardise = StandardiseSeries(spec)
        weight_FT = _kernels()
        count = len(weight_FT)
        self.dilations = _dilations(spec.shape[0], max(1, settings.features // count))
        self.thresholds = max(1, settings.features // (count * len(self.dilations)) - 1)
        self.register_buffer("weight_F1T", weight_FT.unsqueeze(1), persistent=False)
        for place, dilation in enumerate(self.dilations):
            self.register_buffer(f"mixture_{dilation}", _mixtures(count, spec.shape[1], place), persistent=False)
            self.register_buffer(f"threshold_{dilation}", _thresholds(count, self.thresholds, place), persistent=False)
        size = count * len(self.dilations) * (self.thresholds + 1)
        self.norm = nn.BatchNorm1d(size, affine=False)
        self.dropout = Dropout(settings.dropout)
        self.output = nn.Linear(size, output.size)
        nn.init.zeros_(self.output.weight)
        start_at(self.output.bias, output, otherwise=0.0)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, K]."""
        x_BTC, known_BTC = self.standardise(batch[self.group])
        step_B1T = steps(known_BTC).transpose(1, 2)
        x_BCT = (x_BTC * known_BTC).transpose(1, 2)
        parts = [part for dilation in self.dilations for part in self._features(x_BCT, step_B1T, dilation)]
        answer_BK: Tensor = self.output(self.dropout(self.norm(torch.cat(parts, dim=1))))
        return answer_BK

    def _features(self, x_BCT: Tensor, step_B1T: Tensor, dilation: int) -> list[Tensor]:
        """Return [B, F] once per threshold and once for the deviation."""
        mixed_BFT = torch.einsum("fc,bct->bft", getattr(self, f"mixture_{dilation}"), x_BCT)
        count = mixed_BFT.shape[1]
        around = dilation * (LENGTH // 2)
        seen_BFT = F.conv1d(mixed_BFT, self.weight_F1T, padding=around, dilation=dilation, groups=count) * step_B1T
        steps_B11 = step_B1T.sum(2, keepdim=True).clamp(min=1)
        size_BF1 = (seen_BFT.square().sum(2, keepdim=True) / steps_B11 + SMALLEST).sqrt()
        scaled_BFT = seen_BFT / size_BF1
        found = [size_BF1.squeeze(2).log()]
        for threshold_F in getattr(self, f"threshold_{dilation}").unbind(1):
            is_above_BFT = torch.sigmoid((scaled_BFT - threshold_F[:, None]) * SHARPNESS) * step_B1T
            found.append((is_above_BFT.sum(2, keepdim=True) / steps_B11).squeeze(2))
        return found


SHARPNESS = 20.0
"""Slope of the step at a threshold: a hard one would turn rounding into a difference between runtimes."""


def _kernels() -> Tensor:
    """Return the kernels [F, T] in the order of their high taps."""
    weight_FT = torch.full((84, LENGTH), -1.0)
    for place, taps in enumerate(itertools.combinations(range(LENGTH), HIGH)):
        weight_FT[place, list(taps)] = 2.0
    return weight_FT


def _dilations(length: int, most: int) -> list[int]:
    """Return rising dilations, evenly apart in their logarithm, up to the one that spans the length."""
    largest = max(1.0, (length - 1) / (LENGTH - 1))
    places = torch.linspace(0, 1, min(most, MOST_DILATIONS), dtype=torch.float64).tolist()
    return sorted({int(largest**place) for place in places})


def _mixtures(count: int, channels: int, place: int) -> Tensor:
    """Return which channels each kernel adds up [F, C]: one to all of them, drawn as the paper's code does."""
    if channels == 1:
        return torch.ones(count, 1)
    generator = torch.Generator().manual_seed(place)
    mixture_FC = torch.zeros(count, channels)
    for row in mixture_FC:
        size = int(channels ** float(torch.rand(1, generator=generator)))
        row[torch.randperm(channels, generator=generator)[: max(1, size)]] = 1.0
    return mixture_FC


def _thresholds(count: int, number: int, place: int) -> Tensor:
    """Return normal quantiles [F, Q], at levels that never fall together."""
    normal = NormalDist()
    levels = [((place * count * number + index + 1) * GOLDEN) % 1 for index in range(count * number)]
    return torch.tensor([normal.inv_cdf(min(max(level, 0.01), 0.99)) for level in levels]).reshape(number, count).T
