"""Small separable convolutional network for recordings of any length, on their log-mel spectrum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from dlw.models._base import ModelSettings
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("sound",)
OUTPUTS = ("vector",)


class Settings(ModelSettings):
    """A strided convolution over the mel bands, residual blocks of separable convolutions over time, and the mean and
    the deviation of each channel over the recording.

    Separable convolutions over time: QuartzNet (Kriman et al. 2019, arXiv:1910.10261) and MatchboxNet (Majumdar and
    Ginsburg 2020, arXiv:2004.08531).
    """

    width: int = Field(96, ge=1, le=4096, description="Channels.")
    depth: int = Field(4, ge=1, le=64, description="Residual blocks; each looks two steps further than the one before.")
    kernel: int = Field(9, ge=1, le=255, description="Steps that the first block looks at; an odd number.")
    mels: int = Field(40, ge=4, le=256, description="Bands of the spectrum.")
    hop_ms: float = Field(8.0, gt=0.5, le=100, description="Time from one spectrum to the next; each sees four hops.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of the values in a block switched off in training.")

    @model_validator(mode="after")
    def _is_odd(self) -> Self:
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel {self.kernel} is even; it needs a middle")
        return self


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {sound group: [B, T]} to [B, size]."""
    from dlw.models._sound_conv import SoundConv

    return SoundConv(settings, inputs, output)
