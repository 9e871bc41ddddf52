"""A picture beside numbers and categories: a residual network and column embeddings, joined by dense layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from dlw.models._base import ModelSettings, check_stages
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("image", "number", "category")
OUTPUTS = ("vector",)

Width = Annotated[int, Field(ge=1, le=8192)]
Depth = Annotated[int, Field(ge=1, le=200)]


class Settings(ModelSettings):
    """`resnet` on the picture gives one vector, `mlp`'s embeddings one per column; side by side they go through `depth`
    dense layers of `width`. Options without a word here mean what they mean there.
    """

    widths: list[Width] = Field([32, 64, 128], min_length=1, max_length=8, description="Channels of each stage.")
    depths: list[Depth] = Field([1, 1, 1], min_length=1, max_length=8, description="Residual blocks of each stage.")
    stem: Literal["auto", "small", "large"] = Field("auto", description="First layer on the picture, as in resnet.")
    first_stride: Literal[1, 2] = Field(1, description="2: the first stage halves height and width, too.")
    squeeze_excite: bool = Field(False, description="Weigh channels by what the whole picture shows.")
    picture_size: int = Field(128, ge=1, le=65_536, description="Size of the picture's vector.")
    pool: Literal["mean", "max", "places"] = Field(
        "mean", description="How the last stage becomes a vector, as in resnet; places: where things are matters."
    )
    width: int = Field(128, ge=1, le=65_536, description="Units of each joining layer.")
    depth: int = Field(1, ge=1, le=100, description="Joining layers.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of joining units switched off in training.")
    number_embedding: Literal["piecewise_linear", "periodic", "plain"] = Field(
        "piecewise_linear", description="How numbers enter, as in mlp."
    )
    number_size: int = Field(16, ge=1, le=4096, description="Vector size per number; without effect when plain.")
    category_size: int = Field(8, ge=1, le=4096, description="Vector size per category.")

    @model_validator(mode="after")
    def _stages_agree(self) -> Self:
        check_stages(self.widths, self.depths)
        return self


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {picture group, "number", "category": tensor} to [B, size]."""
    from dlw.models._fusion import Fusion

    return Fusion(settings, inputs, output)
