"""The layers of `unet`. Shape legend: B rows, C channels, H rows of pixels, W columns of pixels, K outputs."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlw.models import resnet
from dlw.models._images import Standardise, only_image
from dlw.models._output import start_at
from dlw.models._resnet import Block, unit
from dlw.models.unet import Settings
from dlw.specs import FieldSpec, OutputSpec


class UNet(nn.Module):
    """Standardise, fill up to a whole number of the coarsest pixels, stem, down, up, output, cut to the picture.

    Weights are kept in channels_last.
    """

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> None:
        super().__init__()
        self.group, spec = only_image(inputs, "unet")
        widths = settings.widths
        blocks = resnet.Settings(
            widths=widths,
            depths=settings.depths,
            block=settings.block,
            activation=settings.activation,
            squeeze_excite=settings.squeeze_excite,
        )
        self.stride = settings.stride
        self.multiple = settings.stride * 2 ** (len(widths) - 1)
        self.standardise = Standardise(spec)
        self.stem = _stem(spec.shape[0], widths[0], settings.stride, blocks)
        self.down = nn.ModuleList()
        before = widths[0]
        for stage, (after, depth) in enumerate(zip(widths, settings.depths, strict=True)):
            first = Block(before, after, 2 if stage else 1, blocks)
            self.down.append(nn.Sequential(first, *(Block(after, after, 1, blocks) for _ in range(depth - 1))))
            before = after
        self.dropout = nn.Dropout2d(settings.dropout)
        self.narrow = nn.ModuleList(unit(deep, shallow, blocks, size=1) for shallow, deep in pairwise(widths))
        self.up = nn.ModuleList(Block(width, width, 1, blocks) for width in widths[:-1])
        self.output = nn.Conv2d(widths[0], output.size, 1)
        assert self.output.bias is not None
        start_at(self.output.bias, output)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, K, H, W]."""
        image_BCHW = self.standardise(batch[self.group])
        height, width = image_BCHW.shape[-2:]
        x_BCHW = self.stem(F.pad(image_BCHW, (0, -width % self.multiple, 0, -height % self.multiple)))
        beside: list[Tensor] = []
        for stage in self.down:
            x_BCHW = stage(x_BCHW)
            beside.append(x_BCHW)
        x_BCHW = self.dropout(beside.pop())
        for level in reversed(range(len(self.up))):
            enlarged_BCHW = F.interpolate(self.narrow[level](x_BCHW), scale_factor=2.0, mode="nearest")
            x_BCHW = self.up[level](enlarged_BCHW + beside[level])
        answer_BKHW: Tensor = self.output(x_BCHW)
        if self.stride > 1:
            answer_BKHW = F.interpolate(
                answer_BKHW, scale_factor=float(self.stride), mode="bilinear", align_corners=False
            )
        return answer_BKHW[..., :height, :width]


class TopPlaces(nn.Module):
    """The answer of a picture is that of the places that say it most; classes compete at each place.

    For multiple-instance learning by such places see Durand et al. 2017 (WILDCAT), equation 2. What they say is brought
    to mean 0 and deviation 1 over the pictures, since the places that say it most say nearly the same of every picture;
    a linear layer that starts as the identity turns that into what the picture is.
    """

    def __init__(self, network: UNet, share: float, output: OutputSpec) -> None:
        super().__init__()
        self.network = network
        self.share = share
        self.evened = nn.BatchNorm1d(output.size, affine=False)
        self.picture = nn.Linear(output.size, output.size)
        nn.init.eye_(self.picture.weight)
        start_at(self.picture.bias, output, otherwise=0.0)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, K]."""
        place_BKP = self.network(batch).float().log_softmax(1).flatten(2)
        count = max(1, round(self.share * place_BKP.shape[2]))
        most_BK = place_BKP.topk(count, dim=2).values.mean(2)
        if self.training and len(most_BK) == 1:  # one picture has no deviation
            most_BK = F.batch_norm(most_BK, self.evened.running_mean, self.evened.running_var)
        else:
            most_BK = self.evened(most_BK)
        answer_BK: Tensor = self.picture(most_BK)
        return answer_BK


def _stem(channels: int, width: int, stride: int, blocks: resnet.Settings) -> nn.Sequential:
    """Return one unit, or two that share a stride of 4."""
    if stride < 4:
        return unit(channels, width, blocks, stride=stride)
    first = max(1, width // 2)
    return nn.Sequential(unit(channels, first, blocks, stride=2), unit(first, width, blocks, stride=2))
