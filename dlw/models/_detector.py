"""The layers of `detector`.

Shape legend: B rows, C channels, H rows of pixels, W columns of pixels, P places, K classes; lengths in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlw.models import resnet
from dlw.models._images import Standardise, only_image
from dlw.models._resnet import Block, convolution, large_stem, unit
from dlw.models.detector import FIRST_STRIDE, Settings
from dlw.specs import FieldSpec, OutputSpec

PRIOR = 0.01
"""Probability of each class at each place before training (Lin et al. 2017, arXiv:1708.02002, section 4.1)."""
FIRST_REACH = 3.0
"""Strides from a place to each side of its box before training."""
FARTHEST = 7.0
"""Largest exponent of a distance: e^7 first reaches are more than any picture, and never infinite."""


class Detector(nn.Module):
    """Standardise, stem, stages, pyramid, head; every place answers with its position, its box and class logits.

    Each stride halves with ceiling, so that pictures of any size need no border. Weights are kept in channels_last.
    """

    place_P2: Tensor
    stride_P1: Tensor

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> None:
        super().__init__()
        self.group, spec = only_image(inputs, "detector")
        channels, height, width = spec.shape
        blocks = resnet.Settings(widths=settings.widths, depths=settings.depths, activation=settings.activation)
        self.standardise = Standardise(spec)
        self.stem = large_stem(channels, settings.widths[0], blocks)
        before = settings.widths[0]
        self.stages = nn.ModuleList()
        for stage, (after, depth) in enumerate(zip(settings.widths, settings.depths, strict=True)):
            widths = [before, *[after] * depth]
            self.stages.append(
                nn.Sequential(
                    *(Block(widths[i], after, 2 if stage and i == 0 else 1, blocks) for i in range(depth)),
                )
            )
            before = after
        levels = len(settings.used_strides)
        self.pyramid = Pyramid(settings.widths[-levels:], settings.neck_width, blocks)
        self.head = Head(levels, output.size, settings, blocks)
        place_P2, stride_P1 = places(height, width, settings.used_strides)
        self.register_buffer("place_P2", place_P2, persistent=False)
        self.register_buffer("stride_P1", stride_P1, persistent=False)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, P, 7 + K]."""
        x_BCHW = self.stem(self.standardise(batch[self.group]))
        maps = []
        for stage in self.stages:
            x_BCHW = stage(x_BCHW)
            maps.append(x_BCHW)
        reach_BP4, logit_BPK = self.head(self.pyramid(maps[-self.head.levels :]))
        reach_BP4 = self.stride_P1 * reach_BP4
        known_P3 = torch.cat([self.place_P2, self.stride_P1], dim=1)
        known_BP3 = known_P3.expand(reach_BP4.shape[0], -1, -1)
        left_top_BP2, right_bottom_BP2 = self.place_P2 - reach_BP4[..., :2], self.place_P2 + reach_BP4[..., 2:]
        return torch.cat([known_BP3, left_top_BP2, right_bottom_BP2, logit_BPK], dim=2)


class Pyramid(nn.Module):
    """Maps of every stride with the same channels, each told by all coarser ones."""

    def __init__(self, befores: Sequence[int], width: int, blocks: resnet.Settings) -> None:
        super().__init__()
        self.sideways = nn.ModuleList(
            nn.Sequential(convolution(before, width, 1), nn.BatchNorm2d(width)) for before in befores
        )
        self.smooth = nn.ModuleList(unit(width, width, blocks) for _ in befores)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return maps [B, width, H, W] from the finest to the coarsest."""
        told = [side(x_BCHW) for side, x_BCHW in zip(self.sideways, maps, strict=True)]
        for finer in range(len(told) - 2, -1, -1):
            height, width = told[finer].shape[2:]
            told[finer] = told[finer] + F.interpolate(told[finer + 1], scale_factor=2.0)[:, :, :height, :width]
        return [smooth(x_BCHW) for smooth, x_BCHW in zip(self.smooth, told, strict=True)]


class Head(nn.Module):
    """Two towers of convolutions that all strides share, one for the classes and one for the boxes."""

    def __init__(self, levels: int, classes: int, settings: Settings, blocks: resnet.Settings) -> None:
        super().__init__()
        self.levels = levels
        width = settings.neck_width
        self.class_tower = Tower(levels, width, settings.head_depth, blocks)
        self.box_tower = Tower(levels, width, settings.head_depth, blocks)
        self.logit = nn.Conv2d(width, classes, 1)
        self.reach = nn.Conv2d(width, 4, 1)
        for last in (self.logit, self.reach):
            nn.init.normal_(last.weight, std=0.01)
        nn.init.constant_(self.logit.bias, math.log(PRIOR / (1 - PRIOR)))  # type: ignore[arg-type]
        nn.init.constant_(self.reach.bias, math.log(FIRST_REACH))  # type: ignore[arg-type]

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return distances to left, top, right and bottom in strides [B, P, 4], and logits [B, P, K], in float32."""
        reaches, logits = [], []
        for level, x_BCHW in enumerate(maps):
            logits.append(_by_place(self.logit(self.class_tower(x_BCHW, level))))
            reaches.append(_by_place(self.reach(self.box_tower(x_BCHW, level))))
        reach_BP4 = torch.cat(reaches, dim=1).float().clamp(max=FARTHEST).exp()
        return reach_BP4, torch.cat(logits, dim=1).float()


class Tower(nn.Module):
    """Convolutions shared by all strides, whose statistics differ: each stride has norms of its own."""

    def __init__(self, levels: int, width: int, depth: int, blocks: resnet.Settings) -> None:
        super().__init__()
        shared = [unit(width, width, blocks) for _ in range(depth)]
        self.convolutions = nn.ModuleList(layers[0] for layers in shared)
        self.activations = nn.ModuleList(layers[2] for layers in shared)
        self.norms = nn.ModuleList(nn.ModuleList(nn.BatchNorm2d(width) for _ in range(depth)) for _ in range(levels))

    def forward(self, x_BCHW: Tensor, level: int) -> Tensor:
        """Return a map of the same shape."""
        norms = self.norms[level]
        assert isinstance(norms, nn.ModuleList)
        for convolve, norm, activate in zip(self.convolutions, norms, self.activations, strict=True):
            x_BCHW = activate(norm(convolve(x_BCHW)))
        return x_BCHW


def places(height: int, width: int, strides: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return the middle of each place as x, y [P, 2] and its stride [P, 1], row by row, finest stride first."""
    middles, of_stride = [], []
    for stride in strides:
        assert stride % FIRST_STRIDE == 0
        x_HW, y_HW = torch.meshgrid(
            *((torch.arange(-(-side // stride)) + 0.5) * stride for side in (width, height)), indexing="xy"
        )
        middles.append(torch.stack([x_HW, y_HW], dim=-1).reshape(-1, 2))
        of_stride.append(torch.full((x_HW.numel(), 1), float(stride)))
    return torch.cat(middles), torch.cat(of_stride)


def _by_place(x_BCHW: Tensor) -> Tensor:
    return x_BCHW.permute(0, 2, 3, 1).flatten(1, 2)
