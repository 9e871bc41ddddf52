"""Graph network for molecules: atoms read their neighbours through their bonds, layer by layer; then all together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from dlw.models._base import ModelSettings
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("graph",)
OUTPUTS = ("vector",)


class Settings(ModelSettings):
    """Atoms become vectors; `depth` layers add what the neighbours say (GINE, Hu et al. 2020, arXiv:1905.12265, with
    normalisation first); sum, mean and largest of the atoms go through a hidden layer to the output.
    """

    width: int = Field(128, ge=1, le=4096, description="Numbers of an atom's vector.")
    depth: int = Field(4, ge=1, le=100, description="Layers, and so the bonds that news travels.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of units switched off in training.")


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {group: int16 [B, T, F]} to [B, size]."""
    from dlw.models._message_passing import MessagePassing

    return MessagePassing(settings, inputs, output)
