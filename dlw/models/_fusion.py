"""The layers of `fusion`. Shape legend: B rows, C channels, H and W places, P picture size, K outputs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dlw.errors import UsageError
from dlw.models import mlp, resnet
from dlw.models._mlp import after_linear, entry, entry_size
from dlw.models._output import start_at
from dlw.models._resnet import ResNet
from dlw.models.fusion import Settings
from dlw.specs import FieldSpec, OutputSpec


class Fusion(nn.Module):
    """Picture to vector, columns to vectors, side by side through dense layers, linear output."""

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> None:
        super().__init__()
        pictures = {name: spec for name, spec in inputs.items() if spec.kind == "image"}
        columns = {name: spec for name, spec in inputs.items() if spec.kind != "image"}
        if len(pictures) != 1 or not columns:
            given = ", ".join(f"{name} ({spec.kind})" for name, spec in inputs.items())
            raise UsageError(f"model fusion takes one image input and columns beside it, the recipe gives {given}")
        self.picture = _trunk(settings, pictures)
        dense = mlp.Settings(
            width=settings.width,
            dropout=settings.dropout,
            number_embedding=settings.number_embedding,
            number_size=settings.number_size,
            category_size=settings.category_size,
        )
        self.columns = tuple(columns)
        self.entries = nn.ModuleList(entry(dense, spec) for spec in columns.values())
        size = settings.picture_size + sum(entry_size(dense, spec) for spec in columns.values())
        layers: list[nn.Module] = []
        for _ in range(settings.depth):
            layers += [nn.Linear(size, settings.width), *after_linear(dense)]
            size = settings.width
        self.joined = nn.Sequential(*layers)
        self.output = nn.Linear(size, output.size)
        start_at(self.output.bias, output)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, K]."""
        beside = [layer(batch[name]).flatten(1) for name, layer in zip(self.columns, self.entries, strict=True)]
        picture_BP = torch.relu(self.picture(batch))
        answer_BK: Tensor = self.output(self.joined(torch.cat([picture_BP, *beside], dim=1)))
        return answer_BK


def _trunk(settings: Settings, picture: Mapping[str, FieldSpec]) -> ResNet:
    """Return the network that turns the picture into a vector [B, P]."""
    options = resnet.Settings(
        widths=settings.widths,
        depths=settings.depths,
        stem=settings.stem,
        first_stride=settings.first_stride,
        squeeze_excite=settings.squeeze_excite,
        pool=settings.pool,
    )
    return ResNet(options, picture, OutputSpec("vector", settings.picture_size))
