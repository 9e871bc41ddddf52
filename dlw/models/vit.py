"""Vision transformer: a picture as a sequence of patches, any size and channel count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from dlw.models._base import PictureSettings, check_heads
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("image",)
OUTPUTS = ("vector",)


class Settings(PictureSettings):
    """Patches become vectors, `depth` pre-norm transformer layers follow, then their mean and the output.

    Dosovitskiy et al. 2021, arXiv:2010.11929; mean pool: Beyer et al. 2022, arXiv:2205.01580; normalised queries and
    keys: Dehghani et al. 2023, arXiv:2302.05442; rotary positions: Su et al. 2021, arXiv:2104.09864.
    """

    patch: int = Field(4, ge=1, le=256, description="Side of a square patch in pixels; the picture is padded to fit.")
    width: int = Field(192, ge=8, le=8192, description="Size of each patch's vector.")
    depth: int = Field(6, ge=1, le=200, description="Transformer layers.")
    heads: int = Field(6, ge=1, le=256, description="Attention heads; width / heads must be a multiple of 4.")
    mlp_ratio: float = Field(2.0, gt=0, le=16, description="Hidden units of each layer as a multiple of width.")
    positions: Literal["rope", "learned"] = Field(
        "rope", description="rope: queries and keys turn with their row and column; learned: a vector per patch."
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of each layer's output switched off in training.")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        check_heads(self.width, self.heads, 4)
        return self


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {image group: [B, C, H, W]} to [B, size]."""
    from dlw.models._vit import VisionTransformer

    return VisionTransformer(settings, inputs, output)
