"""Convolutions over a series: kernels of several lengths side by side (InceptionTime), or of one (FCN)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from dlw.models._base import ModelSettings
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("series",)
OUTPUTS = ("vector",)

Kernel = Annotated[int, Field(ge=1, le=1001)]


class Settings(ModelSettings):
    """One series of any length. Each block looks through all `kernels` side by side; a residual spans every block.

    Several kernels: Ismail Fawaz et al. 2020, arXiv:1909.04939. One kernel: Wang et al. 2017, arXiv:1611.06455.
    """

    width: int = Field(32, ge=1, le=4096, description="Channels of each kernel length.")
    depth: int = Field(3, ge=1, le=100, description="Blocks.")
    kernels: list[Kernel] = Field([3, 9, 19], min_length=1, max_length=8, description="Kernel lengths, odd.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of the pooled features switched off in training.")


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {series group: [B, T, C]} to [B, K]."""
    from dlw.models._series_conv import SeriesConv

    return SeriesConv(settings, inputs, output)
