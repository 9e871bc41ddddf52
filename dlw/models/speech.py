"""Conformer for speech of any length: an answer for every few hundredths of a second, on the log-mel spectrum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from dlw.models._base import ModelSettings, check_heads
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("sound",)
OUTPUTS = ("steps",)


class Settings(ModelSettings):
    """Two strided convolutions leave a quarter of the spectra, then conformer layers (Gulati et al. 2020,
    arXiv:2005.08100): feed-forward, attention over the recording, convolution over the steps, feed-forward."""

    width: int = Field(144, ge=4, le=4096, description="Values per step.")
    depth: int = Field(4, ge=1, le=64, description="Layers.")
    heads: int = Field(4, ge=0, le=64, description="Attention heads, which must divide the width; 0 for no attention.")
    kernel: int = Field(15, ge=1, le=255, description="Steps that a layer's convolution looks at; an odd number.")
    mels: int = Field(64, ge=4, le=256, description="Bands of the spectrum.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of a layer's values switched off in training.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel {self.kernel} is even; it needs a middle")
        if self.heads:
            check_heads(self.width, self.heads)
        return self


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {sound group: [B, T]} to [B, steps, size]."""
    from dlw.models._speech import Speech

    return Speech(settings, inputs, output)
