"""Encoder and decoder: a transformer reads one text whole and writes another from left to right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from dlw.models._base import ModelSettings, check_heads
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("tokens",)
OUTPUTS = ("told_tokens",)


class Settings(ModelSettings):
    """Pre-norm layers with rotary positions and normalised queries and keys on both sides (Vaswani et al. 2017,
    arXiv:1706.03762); what is written goes in and out by one matrix.

    Where the target has the tokenizer of the input (`tokenizer: column:NAME`), what is read goes in by the same matrix,
    and each step also copies: a learned share of its probability goes to the tokens that were read, by how much it
    looks at each (See, Liu and Manning 2017, arXiv:1704.04368). It looks for what was read there and for the token
    before it, so that a passage is copied on from the token that was written last."""

    width: int = Field(256, ge=8, le=16_384, description="Size of each token's vector.")
    depth: int = Field(3, ge=1, le=100, description="Layers of the encoder, and of the decoder.")
    heads: int = Field(4, ge=1, le=256, description="Attention heads; width / heads must be even.")
    mlp_ratio: float = Field(4.0, gt=0, le=16, description="Hidden units of each layer as a multiple of width.")
    activation: Literal["swiglu", "relu_squared"] = Field(
        "swiglu", description="swiglu has two thirds of the hidden units; relu_squared is a little faster on a CPU."
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of each layer's output switched off in training.")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        check_heads(self.width, self.heads, 2)
        return self


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {tokens group: [B, S], target: [B, T]} to logits [B, T + 1, V]."""
    from dlw.models._encoder_decoder import EncoderDecoder

    return EncoderDecoder(settings, inputs, output)
