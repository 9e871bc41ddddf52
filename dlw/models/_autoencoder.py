"""The layers of `autoencoder`.

Shape legend: B rows, C channels, H rows of pixels, W columns of pixels, F numbers, T steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlw.errors import UsageError
from dlw.models import resnet
from dlw.models._columns import Standard
from dlw.models._images import only_image, standardising
from dlw.models._resnet import unit
from dlw.models._series import StandardiseSeries, only_series
from dlw.models.autoencoder import Settings
from dlw.specs import FieldSpec


def only_kind(inputs: Mapping[str, FieldSpec]) -> str:
    """Return the one kind of all inputs; raises UsageError for a mixture."""
    kinds = {spec.kind for spec in inputs.values()}
    if len(kinds) != 1:
        raise UsageError(
            f"model autoencoder takes one picture, one series or numbers, the recipe gives {' and '.join(kinds)}"
        )
    return kinds.pop()


class Picture(nn.Module):
    """Standardise, fill up to a whole number of the coarsest pixels, down, code, up, difference, cut to the picture."""

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec]) -> None:
        super().__init__()
        self.group, spec = only_image(inputs, "autoencoder")
        self.noise, self.multiple = settings.noise, 2 ** len(settings.widths)
        channels = spec.shape[0]
        options = resnet.Settings()
        self.standardise = standardising(spec, settings.standardise)
        steps = list(pairwise([channels, *settings.widths]))
        self.down = nn.Sequential(*(unit(before, after, options, stride=2) for before, after in steps))
        last = settings.widths[-1]
        self.code = nn.Conv2d(last, settings.code, 1)
        self.opened = unit(settings.code, last, options, size=1)
        up: list[nn.Module] = []
        for before, after in pairwise([*reversed(settings.widths), settings.widths[0]]):
            up += [nn.Upsample(scale_factor=2), unit(before, after, options)]
        self.up = nn.Sequential(*up)
        self.output = nn.Conv2d(settings.widths[0], channels, 3, padding=1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the squared error [B, 1, H, W], averaged over channels."""
        x_BCHW = self.standardise(batch[self.group])
        height, width = x_BCHW.shape[-2:]
        seen_BCHW = _noisy(x_BCHW, self.noise) if self.training else x_BCHW
        filled_BCHW = F.pad(seen_BCHW, (0, -width % self.multiple, 0, -height % self.multiple))
        made_BCHW = self.output(self.up(self.opened(self.code(self.down(filled_BCHW)))))
        return (made_BCHW[..., :height, :width] - x_BCHW).float().square().mean(1, keepdim=True)


class Steps(nn.Module):
    """A series like a picture of one dimension; a gap counts as the mean and has no error of its own."""

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec]) -> None:
        super().__init__()
        self.group, spec = only_series(inputs, "autoencoder")
        self.noise, self.multiple = settings.noise, 2 ** len(settings.widths)
        channels = spec.shape[1]
        self.standardise = StandardiseSeries(spec)
        down: list[nn.Module] = []
        for before, after in pairwise([channels, *settings.widths]):
            down += [nn.Conv1d(before, after, 5, stride=2, padding=2), nn.ReLU()]
        self.down = nn.Sequential(*down)
        self.code = nn.Conv1d(settings.widths[-1], settings.code, 1)
        up: list[nn.Module] = [nn.Conv1d(settings.code, settings.widths[-1], 1), nn.ReLU()]
        for before, after in pairwise([*reversed(settings.widths), settings.widths[0]]):
            up += [nn.Upsample(scale_factor=2), nn.Conv1d(before, after, 5, padding=2), nn.ReLU()]
        self.up = nn.Sequential(*up, nn.Conv1d(settings.widths[0], channels, 5, padding=2))

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the squared error [B, 1, T, C]."""
        x_BTC, known_BTC = self.standardise(batch[self.group])
        seen_BTC = _noisy(x_BTC, self.noise) if self.training else x_BTC
        filled_BCT = F.pad(seen_BTC.transpose(1, 2), (0, -x_BTC.shape[1] % self.multiple))
        made_BTC = self.up(self.code(self.down(filled_BCT))).transpose(1, 2)[:, : x_BTC.shape[1]]
        return ((made_BTC - x_BTC).float().square() * known_BTC).unsqueeze(1)


class Columns(nn.Module):
    """Standardised numbers through dense layers and a code; a gap counts as the mean and has no error of its own."""

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec]) -> None:
        super().__init__()
        ((self.group, spec),) = inputs.items()
        self.noise = settings.noise
        self.standard = Standard(spec)
        sizes = [spec.shape[0], *settings.widths, settings.code]
        self.down, self.up = dense(sizes), dense(sizes[::-1])

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the squared error [B, 1, 1, F]."""
        number_BF = batch[self.group]
        is_gap_BF = torch.isnan(number_BF)
        x_BF = self.standard(torch.where(is_gap_BF, self.standard.neutral_F, number_BF))[..., 0]
        made_BF = self.up(self.down(_noisy(x_BF, self.noise) if self.training else x_BF))
        error_BF = (made_BF - x_BF).float().square() * ~is_gap_BF
        return error_BF[:, None, None]


def _noisy(x: Tensor, noise: float) -> Tensor:
    return x + noise * torch.randn_like(x) if noise else x


def dense(sizes: list[int]) -> nn.Sequential:
    """Return linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
