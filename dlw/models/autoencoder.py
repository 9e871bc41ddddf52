"""Squeeze a row through a narrow code and rebuild it: what is rebuilt badly is strange. Pictures, series or numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from dlw.errors import UsageError
from dlw.models._base import ModelSettings
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("image", "number", "series")
OUTPUTS = ("error",)

Width = Annotated[int, Field(ge=1, le=65_536)]


class Settings(ModelSettings):
    """One picture or series (convolutions; each step halves height and width, or length) or numbers (dense layers).

    The error is the squared difference of standardised values: of a picture [1, H, W], of a series [1, T, C], of
    numbers [1, 1, F].
    """

    widths: list[Width] = Field(
        [16, 32, 64], min_length=1, max_length=8, description="Channels of each step down, or units of each layer."
    )
    standardise: Literal["training", "picture"] = Field(
        "training",
        description="Mean and deviation that bring pixels to 0 and 1: of the training split, or of the picture itself.",
    )
    code: int = Field(
        16,
        ge=1,
        le=65_536,
        description="Values a row is squeezed into; of a picture or series, at each coarsest place.",
    )
    noise: float = Field(
        0.0, ge=0, le=10, description="Noise added in training, in standard deviations: the net learns to take it away."
    )


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {group: tensor} to [B, 1, h, w]."""
    from dlw.models._autoencoder import Columns, Picture, Steps, only_kind

    kind = only_kind(inputs)
    if kind == "image":
        return Picture(settings, inputs)
    if settings.standardise == "picture":
        raise UsageError(f"model.standardise: picture has no effect on a {kind}")
    return Steps(settings, inputs) if kind == "series" else Columns(settings, inputs)
