"""The layers of `place_gaussians`.

Shape legend: B rows, C channels, H and W pixels, h and w places, F filters, D features of a place.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlw.models._images import only_image, standardising
from dlw.models.place_gaussians import Settings
from dlw.specs import FieldSpec

SIDE = 7
LEAST_VARIANCE = 1e-3
"""Added to the variance of each feature, as a share of their mean: pictures without texture have a covariance, too."""


class PlaceGaussians(nn.Module):
    """Texture of each place, and its squared Mahalanobis distance from what normal pictures show there."""

    mean_hwD: Tensor
    root_hwDD: Tensor

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec]) -> None:
        super().__init__()
        self.group, spec = only_image(inputs, "place_gaussians")
        channels, height, width = spec.shape
        self.cell, self.scales, self.shrink = settings.cell, settings.scales, settings.shrink
        self.standardise = standardising(spec, settings.standardise)
        filter_FC77 = torch.randn(settings.filters, channels, SIDE, SIDE)
        filter_FC77 -= filter_FC77.mean((2, 3), keepdim=True)  # brightness is a feature of its own
        filter_FC77 /= filter_FC77.flatten(1).norm(dim=1)[:, None, None, None]
        self.filter_FC77 = nn.Parameter(filter_FC77, requires_grad=False)
        size = settings.filters * settings.scales + channels
        places = (height // self.cell, width // self.cell)
        self.register_buffer("mean_hwD", torch.zeros(*places, size))
        self.register_buffer("root_hwDD", torch.eye(size).repeat(*places, 1, 1))
        self.count = 0
        self.sums: tuple[Tensor, Tensor] | None = None

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, 1, h, w], the mean over the features; without `shrink`, normal pictures have 1 on average."""
        difference_hwBD = (self._features(batch) - self.mean_hwD).permute(1, 2, 0, 3)
        distance_hwB = (difference_hwBD @ self.root_hwDD).square().mean(-1)
        return distance_hwB.permute(2, 0, 1).unsqueeze(1)

    def collect(self, batch: Mapping[str, Tensor]) -> None:
        """Add up features and their products; see models._base.Filled."""
        feature_hwBD = self._features(batch).permute(1, 2, 0, 3).double()
        new = (feature_hwBD.sum(2), feature_hwBD.transpose(2, 3) @ feature_hwBD)
        self.sums = new if self.sums is None else (self.sums[0] + new[0], self.sums[1] + new[1])
        self.count += feature_hwBD.shape[2]

    def settle(self) -> None:
        """Turn the sums into a mean and the root of an inverse covariance for each place."""
        assert self.sums is not None
        mean_hwD, square_hwDD = (total / self.count for total in self.sums)
        mean_D = mean_hwD.mean((0, 1))
        whole_DD = square_hwDD.mean((0, 1)) - mean_D[:, None] * mean_D
        whole_DD += torch.eye(len(mean_D), device=mean_D.device) * (LEAST_VARIANCE * whole_DD.diagonal().mean() + 1e-9)
        own_hwDD = square_hwDD - mean_hwD[..., :, None] * mean_hwD[..., None, :]
        covariance_hwDD = (1 - self.shrink) * own_hwDD + self.shrink * whole_DD
        self.mean_hwD.copy_(mean_hwD)
        self.root_hwDD.copy_(torch.linalg.cholesky(torch.linalg.inv(covariance_hwDD)))
        self.sums, self.count = None, 0

    def _features(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return float32 [B, h, w, D]: the mean strength of each filter at each scale, and the mean of each channel."""
        image_BCHW = self.standardise(batch[self.group]).float()
        features = []
        for scale in range(self.scales):
            step = 2**scale
            small_BCHW = F.avg_pool2d(image_BCHW, step) if step > 1 else image_BCHW
            padded_BCHW = F.pad(small_BCHW, (SIDE // 2,) * 4, mode="replicate")
            strength_BFHW = F.conv2d(padded_BCHW, self.filter_FC77).abs()
            features.append(F.avg_pool2d(strength_BFHW, self.cell // step))
        features.append(F.avg_pool2d(image_BCHW, self.cell))
        return torch.cat(features, dim=1).permute(0, 2, 3, 1)
