"""Transformer encoder over the tokens of a text, any length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from dlw.models._base import ModelSettings, check_heads
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("tokens",)
OUTPUTS = ("vector",)


class Settings(ModelSettings):
    """Tokens become vectors, `depth` pre-norm layers of attention and dense units follow, then one vector, the output.

    Vaswani et al. 2017, arXiv:1706.03762; pre-norm: Xiong et al. 2020, arXiv:2002.04745; rotary positions: Su et al.
    2021, arXiv:2104.09864.
    """

    width: int = Field(128, ge=8, le=8192, description="Size of each step's vector.")
    depth: int = Field(2, ge=1, le=200, description="Transformer layers.")
    heads: int = Field(4, ge=1, le=256, description="Attention heads; width / heads must be even.")
    mlp_ratio: float = Field(2.0, gt=0, le=16, description="Hidden units of each layer as a multiple of width.")
    pool: Literal["mean", "max", "attention", "first"] = Field(
        "mean",
        description="How steps become one vector: mean, largest values, a mean with learned weights, or a learned step "
        "put first that reads all others.",
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of each layer's output switched off in training.")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        check_heads(self.width, self.heads, 2)
        return self


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {text group: [B, T]} to [B, size]."""
    from dlw.models._transformer import Transformer

    return Transformer(settings, inputs, output)
