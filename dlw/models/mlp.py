"""Feed-forward network for tables (and small pictures), optionally many members in one net."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from dlw.models._base import ModelSettings
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("number", "category", "image")
OUTPUTS = ("vector",)


class Settings(ModelSettings):
    """Columns become vectors, the vectors lie side by side, `depth` dense layers of `width` follow, then the output.

    Number embeddings: Gorishniy et al. 2022, arXiv:2203.05556. Members: Gorishniy et al. 2025 (TabM), arXiv:2410.24210.
    """

    width: int = Field(256, ge=1, le=65_536, description="Units of each hidden layer.")
    depth: int = Field(2, ge=1, le=100, description="Hidden layers.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of hidden units switched off in training.")
    activation: Literal["relu", "gelu", "silu"] = Field("relu", description="Nonlinearity of the hidden layers.")
    norm: Literal["none", "batch", "layer"] = Field("none", description="Normalisation of the hidden layers.")
    number_embedding: Literal["piecewise_linear", "periodic", "plain"] = Field(
        "piecewise_linear",
        description="How numbers enter: linear between quantiles; sines of learned frequencies; standardised only.",
    )
    number_size: int = Field(16, ge=1, le=4096, description="Vector size per number; without effect when plain.")
    bins: int = Field(48, ge=1, le=64, description="Most quantile bins per number (piecewise_linear).")
    frequencies: int = Field(24, ge=1, le=4096, description="Frequencies per number (periodic).")
    frequency_scale: float = Field(0.1, gt=0, le=1e3, description="Spread of the first frequencies (periodic).")
    category_size: int = Field(8, ge=1, le=4096, description="Vector size per category.")
    members: int = Field(1, ge=1, le=1024, description="Networks that share weights and answer together (TabM).")


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {group: tensor} to [B, size], or [B, members, size] for more than one member."""
    from dlw.models._mlp import Mlp

    return Mlp(settings, inputs, output)
