"""Layers of the feed-forward network.

Shapes: B rows, M members, D width of the joined input, H hidden width, K outputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlw.models._columns import CategoryVectors, NumberVectors, number_features
from dlw.models._dropout import Dropout
from dlw.models._images import Standardise
from dlw.models._output import start_at
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from dlw.models.mlp import Settings

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}


class MemberLinear(nn.Module):
    """One weight for all members, seen by each through its own signs of the input, and a bias for each.

    Equals W (r_m * x) + b_m (TabM, section 3.2) as a single product of x with the M scaled copies of W side by side,
    which are far smaller than M scaled copies of the batch.
    """

    def __init__(self, size_in: int, size_out: int, members: int) -> None:
        super().__init__()
        bound = size_in**-0.5
        self.weight_HD = nn.Parameter(torch.empty(size_out, size_in).uniform_(-bound, bound))
        self.bias_MH = nn.Parameter(torch.empty(members, size_out).uniform_(-bound, bound))
        self.scale_MD = nn.Parameter(torch.randint(0, 2, (members, size_in)).float() * 2 - 1)

    def forward(self, x_BD: Tensor) -> Tensor:
        """Return [B, M, H]."""
        members, size_out = self.bias_MH.shape
        weight = (self.weight_HD * self.scale_MD.unsqueeze(1)).flatten(0, 1)
        return F.linear(x_BD, weight, self.bias_MH.flatten()).view(-1, members, size_out)


class MemberOutput(nn.Module):
    """A separate output layer for each member."""

    def __init__(self, size_in: int, size_out: int, members: int) -> None:
        super().__init__()
        bound = size_in**-0.5
        self.weight_MHK = nn.Parameter(torch.empty(members, size_in, size_out).uniform_(-bound, bound))
        self.bias_MK = nn.Parameter(torch.empty(members, size_out).uniform_(-bound, bound))

    def forward(self, x_BMH: Tensor) -> Tensor:
        """Return [B, M, K]."""
        return torch.baddbmm(self.bias_MK.unsqueeze(1), x_BMH.transpose(0, 1), self.weight_MHK).transpose(0, 1)


class Mlp(nn.Module):
    """Columns side by side, hidden layers, output. Members share all but first signs, first bias and output."""

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> None:
        super().__init__()
        self.members = settings.members
        self.groups = tuple(inputs)
        self.entries = nn.ModuleList(entry(settings, spec) for spec in inputs.values())
        size_in = sum(entry_size(settings, spec) for spec in inputs.values())
        if self.members > 1:
            self.first: nn.Module = MemberLinear(size_in, settings.width, self.members)
            self.last: nn.Module = MemberOutput(settings.width, output.size, self.members)
        else:
            self.first = nn.Linear(size_in, settings.width)
            self.last = nn.Linear(settings.width, output.size)
        layers: list[nn.Module] = [*after_linear(settings)]
        for _ in range(settings.depth - 1):
            layers += [nn.Linear(settings.width, settings.width), *after_linear(settings)]
        self.hidden = nn.Sequential(*layers)
        start_at(next(p for name, p in self.last.named_parameters() if "bias" in name), output)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return [B, K], or [B, M, K] for more than one member."""
        parts = [entry(inputs[group]).flatten(1) for group, entry in zip(self.groups, self.entries, strict=True)]
        x_BD = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        x_NH = self.first(x_BD)
        if self.members > 1:
            x_NH = x_NH.flatten(0, 1)
        x_NH = self.hidden(x_NH)
        if self.members > 1:
            x_NH = x_NH.unflatten(0, (-1, self.members))
        answer: Tensor = self.last(x_NH)
        return answer


def entry(settings: Settings, spec: FieldSpec) -> nn.Module:
    """Return the layer through which a group of columns, or a picture's pixels, enter."""
    if spec.kind == "category":
        return CategoryVectors(spec, settings.category_size)
    if spec.kind == "image":
        return Standardise(spec)
    features = number_features(
        spec, settings.number_embedding, settings.bins, settings.frequencies, settings.frequency_scale
    )
    if settings.number_embedding == "plain":
        return features
    return NumberVectors(features, spec, settings.number_size)


def entry_size(settings: Settings, spec: FieldSpec) -> int:
    """Return how many values `entry` gives for a row."""
    if spec.kind == "category":
        return spec.shape[0] * settings.category_size
    if spec.kind == "image":
        return math.prod(spec.shape)
    return spec.shape[0] * (2 if settings.number_embedding == "plain" else settings.number_size)


def after_linear(settings: Settings) -> list[nn.Module]:
    """Return what follows each hidden linear layer."""
    norms = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
    norm = [norms[settings.norm](settings.width)] if settings.norm != "none" else []
    dropout = [Dropout(settings.dropout)] if settings.dropout else []
    return [*norm, ACTIVATIONS[settings.activation](), *dropout]
