"""Residual network over the log-mel spectrum of a recording, taken as a picture of bands and steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from dlw.models._base import ModelSettings
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("sound",)
OUTPUTS = ("vector",)


class Settings(ModelSettings):
    """Stages of residual blocks (He et al. 2016, arXiv:1512.03385; on spectra: Hershey et al. 2017,
    arXiv:1609.09430).

    Each stage but the first halves bands and steps and doubles the channels. What follows a recording changes nothing.
    """

    width: int = Field(16, ge=1, le=4096, description="Channels of the first stage.")
    stages: int = Field(3, ge=1, le=6, description="Stages.")
    depth: int = Field(1, ge=1, le=100, description="Residual blocks of each stage.")
    mels: int = Field(40, ge=4, le=256, description="Bands of the mel spectrum.")
    hop_ms: float = Field(
        10.0, gt=0.5, le=100, description="Milliseconds from one window to the next, a quarter of one."
    )
    dropout: float = Field(0.2, ge=0, lt=1, description="Share of the pooled channels switched off in training.")


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {sound group: [B, T]} to [B, size]."""
    from dlw.models._sound_resnet import SoundResNet

    return SoundResNet(settings, inputs, output)
