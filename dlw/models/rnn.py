"""Recurrent network (LSTM or GRU) over the steps of a text or a series, any length, forwards or both ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from dlw.models._base import ModelSettings
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("tokens", "series")
OUTPUTS = ("vector",)


class Settings(ModelSettings):
    """Steps become vectors, `depth` recurrent layers read them, then one vector and the output.

    LSTM: Hochreiter and Schmidhuber 1997; GRU: Cho et al. 2014, arXiv:1406.1078. Recurrent weights start orthogonal,
    the others as Glorot and Bengio 2010, and an LSTM begins by remembering, as in Keras.
    """

    cell: Literal["lstm", "gru"] = Field("lstm", description="The recurrent layer.")
    embedding: int = Field(128, ge=1, le=16_384, description="Size of the vector of a step that is read.")
    width: int = Field(128, ge=1, le=16_384, description="Units of each recurrent layer and direction.")
    depth: int = Field(1, ge=1, le=32, description="Recurrent layers.")
    bidirectional: bool = Field(True, description="Also read backwards from the end of each row.")
    pool: Literal["attention", "mean", "max"] = Field(
        "attention", description="How steps become one vector: a mean with learned weights, mean, largest values."
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="Share of the vectors switched off in training.")


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {group: [B, T] or [B, T, C]} to [B, size]."""
    from dlw.models._rnn import Rnn

    return Rnn(settings, inputs, output)
