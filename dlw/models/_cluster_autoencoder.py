"""The layers of `cluster_autoencoder`.

Shape legend: B rows, N training rows, D values of a row, E values of a code, K clusters, C channels, H, W pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlw.errors import UsageError
from dlw.models import resnet
from dlw.models._autoencoder import dense
from dlw.models._columns import Standard
from dlw.models._images import Standardise, only_image
from dlw.models._mixture import Mixture
from dlw.models._resnet import unit
from dlw.models.cluster_autoencoder import Settings
from dlw.specs import FieldSpec

MAX_SIDE = 16
"""Pictures are shown at most this large as the position of a row."""


class ClusterAutoencoder(nn.Module):
    """See the row, squeeze it, rebuild it, and say where its code lies among the clusters (models._base.Refitted)."""

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], clusters: int) -> None:
        super().__init__()
        kinds = {spec.kind for spec in inputs.values()}
        if "image" in kinds and len(inputs) > 1:
            raise UsageError("model cluster_autoencoder takes one picture, or numbers and categories, not both")
        self.noise = settings.noise
        self.view: Picture | Table = Picture(inputs) if "image" in kinds else Table(inputs)
        make = _of_picture if "image" in kinds else _of_table
        self.down, self.up = make(settings, self.view.shape)
        self.mixture = Mixture(settings.code, clusters, settings.head)
        self._codes: list[Tensor] = []

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, 1 + 2 K + D]."""
        x, is_known = self.view(batch)
        seen = x + self.noise * torch.randn_like(x) if self.training and self.noise else x
        code_BE = self.down(seen)
        square = (self.up(code_BE) - x).float().square()
        error_B1 = (square * is_known).flatten(1).mean(1, keepdim=True)
        density_BK, distance_BK = self.mixture(code_BE.detach().float())
        return torch.cat([error_B1, density_BK, distance_BK, self.view.position(x)], dim=1)

    def look(self, batch: Mapping[str, Tensor]) -> None:
        """Keep the codes of some training rows."""
        self._codes.append(self.down(self.view(batch)[0]).float())

    def refit(self) -> None:
        """Fit the clusters to the codes that were kept."""
        self.mixture.fit(torch.cat(self._codes))
        self._codes.clear()


class Table(nn.Module):
    """Standardised numbers and one column per category side by side: [B, D]; what is missing is 0 and has no error."""

    def __init__(self, inputs: Mapping[str, FieldSpec]) -> None:
        super().__init__()
        self.standard = Standard(inputs["number"]) if "number" in inputs else None
        self.sizes = inputs["category"].sizes if "category" in inputs else ()
        numbers = inputs["number"].shape[0] if "number" in inputs else 0
        self.shape = (numbers + sum(size - 1 for size in self.sizes),)

    def forward(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return values and which of them are known, [B, D] each."""
        values, known = [], []
        if self.standard is not None:
            number_BF = batch["number"]
            is_gap_BF = torch.isnan(number_BF)
            values.append(self.standard(torch.where(is_gap_BF, self.standard.neutral_F, number_BF))[..., 0])
            known.append(~is_gap_BF)
        for place, size in enumerate(self.sizes):
            id_B1 = batch["category"][:, place : place + 1]
            values.append((id_B1 == torch.arange(1, size, device=id_B1.device)).float())
            known.append((id_B1 > 0).expand(-1, size - 1))
        return torch.cat(values, dim=1), torch.cat(known, dim=1)

    def position(self, x_BD: Tensor) -> Tensor:
        """Return the values themselves."""
        return x_BD.float()


class Picture(nn.Module):
    """Standardised pixels [B, C, H, W]; all are known."""

    def __init__(self, inputs: Mapping[str, FieldSpec]) -> None:
        super().__init__()
        self.group, spec = only_image(inputs, "cluster_autoencoder")
        self.standardise = Standardise(spec)
        self.shape = spec.shape
        self.step = -(-max(spec.shape[1:]) // MAX_SIDE)

    def forward(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return pixels and which of them are known."""
        x_BCHW = self.standardise(batch[self.group])
        return x_BCHW, torch.ones_like(x_BCHW)

    def position(self, x_BCHW: Tensor) -> Tensor:
        """Return the pixels, or means over blocks of a large picture, side by side."""
        if self.step > 1:
            x_BCHW = F.avg_pool2d(x_BCHW, self.step, ceil_mode=True, count_include_pad=False)
        return x_BCHW.float().flatten(1)


class Cut(nn.Module):
    """Cut maps to a height and width."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return [B, C, height, width]."""
        return x_BCHW[..., : self.height, : self.width]


def _of_table(settings: Settings, shape: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
    sizes = [shape[0], *settings.widths, settings.code]
    return dense(sizes), dense(sizes[::-1])


def _of_picture(settings: Settings, shape: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
    """Return convolutions down to the code, and back up to the picture."""
    channels, height, width = shape
    options = resnet.Settings()
    multiple = 2 ** len(settings.widths)
    coarse = (settings.widths[-1], -(-height // multiple), -(-width // multiple))
    fill = (0, coarse[2] * multiple - width, 0, coarse[1] * multiple - height)
    steps = list(pairwise([channels, *settings.widths]))
    down = [unit(before, after, options, stride=2) for before, after in steps]
    up: list[nn.Module] = []
    for before, after in pairwise([*reversed(settings.widths), settings.widths[0]]):
        up += [nn.Upsample(scale_factor=2), unit(before, after, options)]
    squeezed, opened = nn.Linear(math.prod(coarse), settings.code), nn.Linear(settings.code, math.prod(coarse))
    output = nn.Conv2d(settings.widths[0], channels, 3, padding=1)
    return (
        nn.Sequential(nn.ZeroPad2d(fill), *down, nn.Flatten(), squeezed),
        nn.Sequential(opened, nn.ReLU(), nn.Unflatten(1, coarse), *up, output, Cut(height, width)),
    )
