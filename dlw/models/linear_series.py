"""Linear maps from the past of a series to its future: plain, decomposed or sparse; also a forecast residual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from dlw.models._base import ModelSettings
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("series", "number", "category")
OUTPUTS = ("forecast", "error")


class Settings(ModelSettings):
    """The same map for every channel. Strong against far larger networks (Zeng et al. 2023, arXiv:2205.13504).

    plain: one matrix (with normalise last: NLinear; with standard: RLinear, Li et al. 2023, arXiv:2305.10721).
    decomposed: one for a moving average, one for the rest (DLinear). sparse: one for each phase of a season, after the
    season's neighbourhood was averaged (SparseTSF, Lin et al. 2024, arXiv:2405.00946).
    For the task anomaly the error is how far the last step lies from what the steps before it foretell.
    """

    map: Literal["plain", "decomposed", "sparse"] = Field("plain", description="How the past is mapped to the future.")
    normalise: Literal["last", "mean", "standard", "none"] = Field(
        "standard", description="What is taken off a history: its last value, its mean, its mean and deviation."
    )
    season: int | None = Field(None, ge=2, le=100_000, description="Steps of a season (sparse).")
    average: int | None = Field(
        None, ge=2, le=100_000, description="Steps of the moving average (decomposed); default 25."
    )
    hidden: int = Field(0, ge=0, le=65_536, description="Units of a hidden layer; 0 for none.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of the past switched off in training.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.map == "sparse") != (self.season is not None):
            raise ValueError("map: sparse needs `season`, the others do not know one")
        if self.average is not None and self.map != "decomposed":
            raise ValueError("average has no effect unless map is decomposed")
        return self


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {group: tensor} to [B, H, C * Q], or for an error to [B, 1, 1, C]."""
    from dlw.models._linear_series import build_network

    return build_network(settings, inputs, output)
