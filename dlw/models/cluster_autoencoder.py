"""Squeeze a row into a code that it can be rebuilt from, and find clusters among the codes. A picture, or a table.

The network learns to rebuild; before each validation k-means or a Gaussian mixture is fitted to the codes of all
training rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from dlw.models._base import ModelSettings
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("image", "number", "category")
OUTPUTS = ("clusters",)

Width = Annotated[int, Field(ge=1, le=65_536)]


class Settings(ModelSettings):
    """One picture (convolutions; each step halves height and width) or numbers and categories (dense layers)."""

    widths: list[Width] = Field(
        [64], min_length=1, max_length=8, description="Channels of each step down, or units of each layer."
    )
    code: int = Field(8, ge=1, le=512, description="Values that a row is squeezed into.")
    noise: float = Field(
        0.3, ge=0, le=10, description="Noise added in training, in standard deviations: the net learns to take it away."
    )
    head: Literal["k_means", "shared_covariance", "full_covariance"] = Field(
        "shared_covariance",
        description="k_means: round clusters of one size; shared_covariance: a Gaussian mixture whose clusters have "
        "one shape; full_covariance: one where each has a shape of its own.",
    )


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {group: tensor} to [B, 1 + 2 size + D] (see specs.OutputSpec)."""
    from dlw.models._cluster_autoencoder import ClusterAutoencoder

    return ClusterAutoencoder(settings, inputs, output.size)
