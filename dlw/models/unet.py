"""U-shaped convolutional network: a value per class and pixel, or of a picture by its most telling places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from dlw.errors import UsageError
from dlw.models._base import PictureSettings, check_stages
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("image",)
OUTPUTS = ("map", "vector")

Width = Annotated[int, Field(ge=1, le=4096)]
Depth = Annotated[int, Field(ge=1, le=100)]


class Settings(PictureSettings):
    """Residual stages on the way down, each but the first halving height and width; on the way up, the stage below is
    enlarged and added to the stage beside it, then one block.

    The shape is that of U-Net (Ronneberger et al. 2015, arXiv:1505.04597); adding instead of joining channels, which
    takes half the time, is that of LinkNet (Chaurasia and Culurciello 2017, arXiv:1707.03718).
    """

    widths: list[Width] = Field([32, 64, 128, 192], min_length=1, max_length=8, description="Channels of each stage.")
    depths: list[Depth] = Field(
        [1, 1, 1, 1], min_length=1, max_length=8, description="Residual blocks of each stage, on the way down."
    )
    block: Literal["basic", "bottleneck"] = Field(
        "basic",
        description="basic: two 3x3 convolutions; bottleneck: 1x1, 3x3 at half the channels, 1x1, a fifth of the work.",
    )
    stride: Literal[1, 2, 4] = Field(
        1,
        description="The stem leaves 1 / stride of height and width, and the answer is enlarged again: about stride "
        "squared times as fast, at the price of thin things.",
    )
    activation: Literal["relu", "silu", "gelu"] = Field("relu", description="Nonlinearity.")
    squeeze_excite: bool = Field(
        False, description="Weigh channels by what the whole picture shows (arXiv:1709.01507)."
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of the deepest channels switched off in training.")
    top_share: float = Field(
        0.001,
        gt=0,
        le=1,
        description="For a task that asks for one answer per picture: for each class the mean log-odds of this share "
        "of the places, those that answer it most. Small finds small things; 1 is the mean of all places.",
    )
    background: int | None = Field(
        None,
        ge=0,
        description="For one answer per picture: the place, from 0, of the class that a picture is of where none of "
        "its places shows another, such as free of defects. How sure places are of that class then counts nothing.",
    )

    @model_validator(mode="after")
    def _stages_agree(self) -> Self:
        check_stages(self.widths, self.depths)
        return self


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {image group: [B, C, H, W]} to [B, size, H, W], or to [B, size] for a vector."""
    from dlw.models._unet import TopPlaces, UNet

    if output.kind == "map" and settings.background is not None:
        raise UsageError("model.background: is for one answer per picture; of masks see `task.void_as`")
    network = UNet(settings, inputs, output)
    return network if output.kind == "map" else TopPlaces(network, settings, output)
