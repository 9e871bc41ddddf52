"""GPT: a transformer that reads tokens from left to right and says what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from dlw.models._base import ModelSettings, check_heads
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("tokens",)
OUTPUTS = ("tokens",)


class Settings(ModelSettings):
    """Pre-norm layers with rotary positions, normalised queries and keys, and one matrix for tokens in and out.

    Radford et al. 2019 with the changes that later models share; nothing but the window of the task is fixed by length.
    """

    width: int = Field(192, ge=8, le=16_384, description="Size of each token's vector.")
    depth: int = Field(6, ge=1, le=200, description="Transformer layers.")
    heads: int = Field(6, ge=1, le=256, description="Attention heads; width / heads must be even.")
    mlp_ratio: float = Field(4.0, gt=0, le=16, description="Hidden units of each layer as a multiple of width.")
    activation: Literal["swiglu", "relu_squared"] = Field(
        "swiglu", description="swiglu has two thirds of the hidden units; relu_squared is a little faster on a CPU."
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of each layer's output switched off in training.")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        check_heads(self.width, self.heads, 2)
        return self


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {tokens group: [B, T]} to logits [B, T, V] of the token after each."""
    from dlw.models._gpt import GPT

    return GPT(settings, inputs, output)
