"""Learn what each place of normal pictures looks like, a Gaussian over its texture: what is improbable is strange."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from dlw.errors import UsageError
from dlw.models._base import ModelSettings
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("image",)
OUTPUTS = ("error",)


class Settings(ModelSettings):
    """After PaDiM (Defard et al. 2021, arXiv:2011.08785), with random filters at several scales in the place of a
    trained network. Filled by one pass over the training rows, not trained: epochs, batch size and optimizer have no
    effect.

    For pictures that are taken from one place, such as parts in a fixture.
    """

    filters: int = Field(24, ge=1, le=512, description="Random 7x7 filters; how strongly each answers is a feature.")
    scales: int = Field(
        4, ge=1, le=8, description="Sizes at which the picture is filtered, each half of the one before."
    )
    cell: int = Field(8, ge=1, le=256, description="Side of a place in pixels, that features are averaged over.")
    shrink: float = Field(
        0.1,
        gt=0,
        le=1,
        description="Share of the covariance of all places in that of each place; more where there are few pictures.",
    )
    standardise: Literal["training", "picture"] = Field(
        "training",
        description="Mean and deviation that bring pixels to 0 and 1: of the training split, or of the picture itself.",
    )

    @model_validator(mode="after")
    def _scales_fit(self) -> Self:
        coarsest = 2 ** (self.scales - 1)
        if self.cell % coarsest:
            raise ValueError(f"cell must be a multiple of {coarsest}, a pixel at the coarsest of {self.scales} scales")
        return self


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {image group: [B, C, H, W]} to [B, 1, H / cell, W / cell]."""
    from dlw.models._place_gaussians import PlaceGaussians

    for name, spec in inputs.items():
        if spec.kind == "image" and min(spec.shape[1:]) < settings.cell:
            size = "x".join(map(str, spec.shape[1:]))
            raise UsageError(f"model.cell: {settings.cell}: {name} is {size}, smaller than one cell")
    return PlaceGaussians(settings, inputs)
