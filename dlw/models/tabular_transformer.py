"""Transformer over the columns of a table (FT-Transformer)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from dlw.models._base import ModelSettings
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("number", "category")
OUTPUTS = ("vector",)


class Settings(ModelSettings):
    """Each column becomes a token; blocks of attention and dense layers follow, and a summary token gives the answer.

    Gorishniy et al. 2021, arXiv:2106.11959, section 3.3, with the number embeddings of the mlp.
    """

    size: int = Field(64, ge=1, le=16_384, description="Vector size of a token; a multiple of `heads`.")
    depth: int = Field(3, ge=1, le=100, description="Blocks.")
    heads: int = Field(4, ge=1, le=256, description="Attention heads.")
    hidden_factor: float = Field(2.0, gt=0, le=64, description="Width of a block's dense layer over `size`.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of the dense layer's units switched off in training.")
    activation: Literal["relu", "gelu", "silu"] = Field("gelu", description="Nonlinearity of the dense layers.")
    number_embedding: Literal["piecewise_linear", "periodic", "plain"] = Field(
        "piecewise_linear",
        description="How numbers enter: linear between quantiles; sines of learned frequencies; standardised only.",
    )
    bins: int = Field(48, ge=1, le=64, description="Most bins per number (piecewise_linear).")
    frequencies: int = Field(24, ge=1, le=4096, description="Frequencies per number (periodic).")
    frequency_scale: float = Field(0.1, gt=0, le=1e3, description="Spread of the first frequencies (periodic).")

    @model_validator(mode="after")
    def _check(self) -> Settings:
        if self.size % self.heads:
            raise ValueError(f"size {self.size} is not a multiple of heads {self.heads}")
        return self


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {group: tensor} to [B, size]."""
    from dlw.models._tabular_transformer import TabularTransformer

    return TabularTransformer(settings, inputs, output)
