"""What follows a history of items: a causal transformer over the last items, every item scored after every step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from dlw.models._base import ModelSettings, check_heads
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("tokens",)
OUTPUTS = ("items",)


class Settings(ModelSettings):
    """As SASRec (Kang and McAuley 2018, arXiv:1808.09781), with rotary positions and all items in the loss.

    Items read and items scored share their vectors.
    """

    width: int = Field(64, ge=4, le=4096, description="Numbers of an item's vector.")
    depth: int = Field(2, ge=1, le=100, description="Layers.")
    heads: int = Field(2, ge=1, le=64, description="Attention heads of each layer.")
    window: int = Field(200, ge=1, le=100_000, description="Items of a history that are looked at: the last ones.")
    dropout: float = Field(0.3, ge=0, lt=1, description="Share of units switched off in training.")

    @model_validator(mode="after")
    def _check(self) -> Settings:
        check_heads(self.width, self.heads, 2)
        return self


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {group: int32 [B, T]} to [B, K], in training [B, T, K]."""
    from dlw.models._sequential import Sequential

    return Sequential(settings, inputs, output)
