"""Residual network, feature pyramid and shared head: objects on pictures of any size, without anchors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from dlw.models._base import ModelSettings, check_stages
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("image",)
OUTPUTS = ("points",)

FIRST_STRIDE = 4
"""Pixels between two places of the first stage."""
USED_STAGES = 3
"""Stages that are asked for objects unless the recipe names strides."""

Width = Annotated[int, Field(ge=1, le=4096)]
Depth = Annotated[int, Field(ge=1, le=100)]


class Settings(ModelSettings):
    """Stages at strides 4, 8, 16, ..., one per entry of `widths`; a pyramid and a head on those of `strides`.

    Feature pyramid: Lin et al. 2017, arXiv:1612.03144; head without anchors: Tian et al. 2019, arXiv:1904.01355; norms
    of its own for each stride: Lyu et al. 2022, arXiv:2212.07784, section 3.
    """

    widths: list[Width] = Field([32, 64, 128, 256], min_length=1, max_length=8, description="Channels of each stage.")
    depths: list[Depth] = Field([1, 1, 1, 1], min_length=1, max_length=8, description="Residual blocks of each stage.")
    strides: list[int] | None = Field(
        None,
        min_length=1,
        max_length=8,
        description="Pixels between the places that are asked for objects, the strides of the last stages; default: of "
        "the last three. A box is best found at a stride of about a sixth of its size.",
    )
    neck_width: Width = Field(64, description="Channels of pyramid and head.")
    head_depth: Depth = Field(2, description="Convolutions before the classes and before the boxes.")
    activation: Literal["relu", "silu", "gelu"] = Field("relu", description="Nonlinearity.")

    @model_validator(mode="after")
    def _stages_agree(self) -> Self:
        check_stages(self.widths, self.depths)
        if self.strides is not None and self.strides != self.known_strides[-len(self.strides) :]:
            raise ValueError(f"the stages have the strides {self.known_strides}; strides must be the last of these")
        return self

    @property
    def known_strides(self) -> list[int]:
        """The stride of each stage."""
        return [FIRST_STRIDE * 2**stage for stage in range(len(self.widths))]

    @property
    def used_strides(self) -> list[int]:
        """The strides that are asked for objects."""
        return self.strides or self.known_strides[-USED_STAGES:]


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {image group: [B, C, H, W]} to [B, P, 7 + size], see specs.OutputSpec."""
    from dlw.models._detector import Detector

    return Detector(settings, inputs, output)
