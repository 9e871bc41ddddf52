"""The layers of `unet`. Shape legend: B rows, C channels, H rows of pixels, W columns of pixels, K outputs, P places,
S classes that places are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlw.errors import UsageError
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
    """The answer of a picture is that of the places that say it most: the mean of their log-odds.

    For multiple-instance learning by such places see Durand et al. 2017 (WILDCAT), equation 2. What they say is brought
    to mean 0 and deviation 1 over the pictures, since the places that say it most say nearly the same of every picture;
    a linear layer that starts as the identity turns that into what the picture is. A background class has no
    places of its own, since some of every picture are surely background: the others are measured against a constant.
    """

    def __init__(self, network: UNet, settings: Settings, output: OutputSpec) -> None:
        super().__init__()
        if output.size < 2:
            raise UsageError(
                "model unet: places of a picture are compared by their classes, and this task has one output; "
                "use resnet or vit"
            )
        if settings.background is not None and settings.background >= output.size:
            raise UsageError(
                f"model.background: {settings.background} is not one of {output.size} classes, counted from 0"
            )
        self.network = network
        self.share = settings.top_share
        self.shown = [place for place in range(output.size) if place != settings.background]
        self.evened_odds = nn.BatchNorm1d(len(self.shown), affine=False)
        self.picture = nn.Linear(len(self.shown), output.size)
        with torch.no_grad():
            self.picture.weight.copy_(torch.eye(output.size)[:, self.shown])
        start_at(self.picture.bias, output, otherwise=0.0)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, K]."""
        logits_BKP = self.network(batch).float().flatten(2)
        odds_BSP = _log_odds(logits_BKP)[:, self.shown]
        count = max(1, round(self.share * odds_BSP.shape[2]))
        most_BS = odds_BSP.topk(count, dim=2).values.mean(2)
        if self.training and len(most_BS) == 1:  # one picture has no deviation
            most_BS = F.batch_norm(most_BS, self.evened_odds.running_mean, self.evened_odds.running_var)
        else:
            most_BS = self.evened_odds(most_BS)
        answer_BK: Tensor = self.picture(most_BS)
        return answer_BK


def _log_odds(logits_BKP: Tensor) -> Tensor:
    """Return log(p / (1 - p)) of each class, which keeps its digits where p is next to 1."""
    class_K1 = torch.arange(logits_BKP.shape[1], device=logits_BKP.device)[:, None]
    is_top_BKP = logits_BKP.argmax(1, keepdim=True) == class_K1
    top_BKP = logits_BKP - logits_BKP.masked_fill(is_top_BKP, -torch.inf).logsumexp(1, keepdim=True)
    log_p_BKP = logits_BKP.log_softmax(1).masked_fill(is_top_BKP, -1.0)  # the others are at most 1 / 2
    return torch.where(is_top_BKP, top_BKP, log_p_BKP - torch.log1p(-log_p_BKP.exp()))


def _stem(channels: int, width: int, stride: int, blocks: resnet.Settings) -> nn.Sequential:
    """Return one unit, or two that share a stride of 4."""
    if stride < 4:
        return unit(channels, width, blocks, stride=stride)
    first = max(1, width // 2)
    return nn.Sequential(unit(channels, first, blocks, stride=2), unit(first, width, blocks, stride=2))
