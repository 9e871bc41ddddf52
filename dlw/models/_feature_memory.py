"""The layers of `feature_memory`.

Shape legend: B rows, C channels, H and W pixels, h and w places, D feature size, N patches, M remembered patches.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlw.models import resnet
from dlw.models._images import only_image
from dlw.models._resnet import ResNet
from dlw.models.feature_memory import Settings
from dlw.specs import FieldSpec, OutputSpec

NEIGHBOURS = 3
"""Side of the square of places that a patch's features are averaged over (PatchCore, section 3.1)."""
DIRECTIONS = 64
"""Random directions in which distances are compared while patches are chosen (section 3.2)."""


class FeatureMemory(nn.Module):
    """Frozen features of each place, standardised, and the squared distance to the nearest remembered ones."""

    mean_D: Tensor
    scale_D: Tensor
    memory_MD: Tensor

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec]) -> None:
        super().__init__()
        self.group, _ = only_image(inputs, "feature_memory")
        self.patches = settings.patches
        options = resnet.Settings(
            widths=settings.widths,
            depths=settings.depths,
            stem=settings.stem,
            stem_width=settings.stem_width,
            first_stride=settings.first_stride,
            standardise=settings.standardise,
        )
        self.trunk = ResNet(options, inputs, OutputSpec("vector", 1))
        del self.trunk.output  # only what comes before is used
        for norm in (module for module in self.trunk.modules() if isinstance(module, nn.BatchNorm2d)):
            nn.init.ones_(norm.weight)  # branches that start as zero would leave random features without a nonlinearity
        self.trunk.requires_grad_(False)
        self.used = (sum(settings.depths[:-1]) - 1, sum(settings.depths) - 1)
        size = sum(settings.widths[-2:])
        self.register_buffer("mean_D", torch.zeros(size))
        self.register_buffer("scale_D", torch.ones(size))
        self.register_buffer("memory_MD", torch.zeros(settings.memory, size))
        self.collected: list[Tensor] = []

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, 1, h, w], the mean over the features of the squared difference to the nearest patch."""
        feature_BhwD = (self._features(batch) - self.mean_D) * self.scale_D
        cross_BhwM = feature_BhwD @ self.memory_MD.T
        nearest_Bhw = (self.memory_MD.square().sum(1) - 2 * cross_BhwM).amin(-1)
        return ((feature_BhwD.square().sum(-1) + nearest_Bhw).clamp(min=0) / self.mean_D.numel()).unsqueeze(1)

    def collect(self, batch: Mapping[str, Tensor]) -> None:
        """Draw patches of some training rows; see models._base.Filled."""
        patches_BND = self._features(batch).flatten(1, 2)
        count = min(self.patches, patches_BND.shape[1])
        chosen_BN = torch.rand(patches_BND.shape[:2], device=patches_BND.device).topk(count, dim=1).indices
        self.collected.append(patches_BND.gather(1, chosen_BN.unsqueeze(-1).expand(-1, -1, patches_BND.shape[2])))

    def settle(self) -> None:
        """Standardise what was drawn and remember the patches that cover it best."""
        patches_ND = torch.cat([part.flatten(0, 1) for part in self.collected])
        self.collected.clear()
        self.mean_D.copy_(patches_ND.mean(0))
        self.scale_D.copy_(1 / patches_ND.std(0).clamp(min=1e-6))
        patches_ND = (patches_ND - self.mean_D) * self.scale_D
        self.memory_MD.copy_(patches_ND[_covering(patches_ND, len(self.memory_MD))])

    def _features(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, h, w, D]: the last stage enlarged to the one before it, both averaged over neighbours."""
        x_BCHW = self.trunk.stem(self.trunk.standardise(batch[self.group]))
        stages = []
        for place, block in enumerate(self.trunk.blocks):
            x_BCHW = block(x_BCHW)
            if place in self.used:
                stages.append(F.avg_pool2d(x_BCHW, NEIGHBOURS, stride=1, padding=NEIGHBOURS // 2).float())
        fine, coarse = stages
        coarse = F.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=False)
        return torch.cat([fine, coarse], dim=1).permute(0, 2, 3, 1)


def _covering(patches_ND: Tensor, count: int) -> Tensor:
    """Return the rows of `count` patches, each the farthest from those before it (greedy k-centre, algorithm 1).

    Fewer patches than that are repeated.
    """
    low_NE = patches_ND @ torch.randn(patches_ND.shape[1], DIRECTIONS, device=patches_ND.device)
    chosen = [0]
    distance_N = (low_NE - low_NE[0]).square().sum(1)
    for _ in range(min(count, len(low_NE)) - 1):
        chosen.append(int(distance_N.argmax()))
        distance_N = torch.minimum(distance_N, (low_NE - low_NE[chosen[-1]]).square().sum(1))
    rows_M = torch.tensor(chosen, device=patches_ND.device)
    return rows_M[torch.arange(count, device=rows_M.device) % len(rows_M)]
