"""Remember what normal pictures look like, patch by patch: what is far from all that is remembered is strange."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from dlw.models._base import ModelSettings, check_stages
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("image",)
OUTPUTS = ("error",)

Width = Annotated[int, Field(ge=1, le=8192)]
Depth = Annotated[int, Field(ge=1, le=200)]


class Settings(ModelSettings):
    """After PatchCore (Roth et al. 2022, arXiv:2106.08265). Filled by one pass over the training rows, not trained:
    epochs, batch size and optimizer have no effect.

    The features are the last two stages of a frozen `resnet`: of random weights, or of another run's (`backbone`).
    """

    widths: list[Width] = Field([32, 64, 128], min_length=2, max_length=8, description="Channels of each stage.")
    depths: list[Depth] = Field([1, 1, 1], min_length=2, max_length=8, description="Residual blocks of each stage.")
    stem: Literal["auto", "small", "large"] = Field("auto", description="First layer, as in resnet.")
    stem_width: int | None = Field(None, ge=1, le=8192, description="Channels of the stem, as in resnet.")
    first_stride: Literal[1, 2] = Field(1, description="2: the first stage halves height and width, too.")
    standardise: Literal["training", "picture"] = Field(
        "training",
        description="Mean and deviation that bring pixels to 0 and 1: of the training split, or of the picture itself.",
    )
    patches: int = Field(32, ge=1, le=65_536, description="Patches drawn at random from each training picture.")
    memory: int = Field(1000, ge=1, le=100_000, description="Patches that are remembered: those that cover all best.")

    @model_validator(mode="after")
    def _stages_agree(self) -> Self:
        check_stages(self.widths, self.depths)
        return self


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {image group: [B, C, H, W]} to [B, 1, h, w], at the stride of the stage before the last."""
    from dlw.models._feature_memory import FeatureMemory

    return FeatureMemory(settings, inputs)
