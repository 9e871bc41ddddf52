"""Residual convolutional network for pictures of any size and channel count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from dlw.models._base import PictureSettings, check_stages
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("image",)
OUTPUTS = ("vector",)

Width = Annotated[int, Field(ge=1, le=8192)]
Depth = Annotated[int, Field(ge=1, le=200)]


class Settings(PictureSettings):
    """A stem, then one stage per entry of `widths` (each but the first halves height and width), pool, output.

    Residual blocks: He et al. 2016, arXiv:1512.03385; averaging shortcuts: He et al. 2019, arXiv:1812.01187.
    """

    widths: list[Width] = Field([64, 128, 256], min_length=1, max_length=8, description="Channels of each stage.")
    depths: list[Depth] = Field([1, 1, 1], min_length=1, max_length=8, description="Residual blocks of each stage.")
    block: Literal["basic", "bottleneck"] = Field(
        "basic", description="basic: two 3x3 convolutions; bottleneck: 1x1, 3x3 at half the channels, 1x1."
    )
    stem: Literal["auto", "small", "large"] = Field(
        "auto",
        description="small: a 3x3 convolution; large: strided ones, a quarter of height and width is left; "
        "auto: large from 64 pixels on.",
    )
    stem_width: int | None = Field(
        None, ge=1, le=8192, description="Channels of the stem; default half the first width."
    )
    first_stride: Literal[1, 2] = Field(1, description="2: the first stage halves height and width, too.")
    activation: Literal["relu", "silu", "gelu"] = Field("relu", description="Nonlinearity.")
    squeeze_excite: bool = Field(
        False, description="Weigh channels by what the whole picture shows (arXiv:1709.01507)."
    )
    standardise: Literal["training", "picture"] = Field(
        "training",
        description="Mean and deviation that bring pixels to 0 and 1: of the training split, or of the picture itself.",
    )
    pool: Literal["mean", "max", "places"] = Field(
        "mean",
        description="mean or max over the picture: where a thing is does not matter, and with max not how small it is; "
        "places: each place of the last stage is read by weights of its own.",
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of pooled features switched off in training.")

    @model_validator(mode="after")
    def _stages_agree(self) -> Self:
        check_stages(self.widths, self.depths)
        return self


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {image group: [B, C, H, W]} to [B, size]."""
    from dlw.models._resnet import ResNet

    return ResNet(settings, inputs, output)
