"""Two towers: a vector of the user, from columns and history, and a vector of each item; their product is the score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from dlw.models._base import ModelSettings
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("tokens", "category", "number")
OUTPUTS = ("items",)


class Settings(ModelSettings):
    """The user's vector is the sum of those of its columns (an id, age, town) and of the mean of its history.

    Covington et al. 2016, doi:10.1145/2959100.2959190; in training the history is the one up to each step.
    """

    width: int = Field(64, ge=1, le=4096, description="Numbers of a vector.")
    window: int = Field(200, ge=1, le=100_000, description="Items of a history that are looked at: the last ones.")
    hidden: int = Field(128, ge=0, le=65_536, description="Units of a hidden layer in the user's tower; 0 for none.")
    dropout: float = Field(0.3, ge=0, lt=1, description="Share of units switched off in training.")


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {group: tensor} to [B, K], in training [B, T, K]."""
    from dlw.models._two_tower import TwoTower

    return TwoTower(settings, inputs, output)
