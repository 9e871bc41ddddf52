"""Factorisation machine: every value a bias and a vector, every pair of columns the product of their vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from dlw.models._base import ModelSettings
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("category", "tokens", "number")
OUTPUTS = ("vector",)


class Settings(ModelSettings):
    """Of two columns, users and items, this is matrix factorisation with biases; further columns add what they know.

    Rendle 2010, doi:10.1109/ICDM.2010.127. A history of items is a column, too: the sum of its vectors over the root of
    their number (SVD++, Koren 2008, doi:10.1145/1401890.1401944). Numbers and the history meet the others the same way.
    """

    width: int = Field(32, ge=1, le=4096, description="Numbers of a vector.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Share of the vectors' numbers switched off in training.")
    hidden: int = Field(
        0,
        ge=0,
        le=65_536,
        description="Units of a hidden layer on the products of the vectors, beside their sum (neural factorisation "
        "machine, arXiv:1708.05027); 0 for none.",
    )


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {group: tensor} to [B, size]."""
    from dlw.models._factorization import Factorization

    return Factorization(settings, inputs, output)
