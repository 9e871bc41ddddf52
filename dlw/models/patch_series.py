"""Attention between patches of a series, channel by channel (PatchTST): forecasts, classes and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from dlw.models._base import ModelSettings, check_heads
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("series", "number", "category")
OUTPUTS = ("forecast", "vector")


class Settings(ModelSettings):
    """Nie et al. 2023, arXiv:2211.14730. For forecasts each channel goes on by itself through the same layers.

    For classes and numbers the input is one series of any length; the channels' vectors are averaged over the patches
    and lie side by side.
    """

    patch: int = Field(16, ge=1, le=10_000, description="Steps of a patch.")
    stride: int = Field(8, ge=1, le=10_000, description="Steps from one patch to the next.")
    width: int = Field(32, ge=2, le=8192, description="Vector size of a patch.")
    depth: int = Field(2, ge=1, le=100, description="Layers.")
    heads: int = Field(4, ge=1, le=256, description="Attention heads; must divide the width.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Share switched off in training.")
    normalise: Literal["last", "mean", "standard", "none"] = Field(
        "standard", description="What is taken off a history to forecast, as in linear_series."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_heads(self.width, self.heads)
        return self


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {group: tensor} to [B, H, C * Q], or for a vector to [B, K]."""
    from dlw.models._patch_series import build_network

    return build_network(settings, inputs, output)
