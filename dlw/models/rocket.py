"""Thousands of fixed convolutions over a series and a trained linear layer (MiniRocket)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from dlw.models._base import ModelSettings
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("series",)
OUTPUTS = ("vector",)


class Settings(ModelSettings):
    """The 84 kernels of MiniRocket (Dempster et al. 2021, arXiv:2012.08791) at dilations that fit the length.

    A feature is the share of steps at which a convolution exceeds a threshold. Where the paper draws thresholds from
    training rows, here each convolution is brought to deviation 1 within its row and the thresholds are quantiles of
    the normal distribution, so that nothing but the linear layer is learned; the logarithm of the deviation is a
    feature, too.
    """

    features: int = Field(5000, ge=84, le=100_000, description="Features, about: kernels x dilations x thresholds.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Share of the features switched off in training.")


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {series group: [B, T, C]} to [B, K]."""
    from dlw.models._rocket import Rocket

    return Rocket(settings, inputs, output)
