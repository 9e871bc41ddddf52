"""Bags of hashed n-grams of tokens (fastText): cheap and strong on texts, with columns beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from dlw.models._base import ModelSettings
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("tokens", "number", "category")
OUTPUTS = ("vector",)


class Settings(ModelSettings):
    """Each n-gram of tokens has a vector, a text is the mean of its vectors, a linear layer answers.

    Joulin et al. 2017, arXiv:1607.01759. With tokenizer `words` these are n-grams of words, with `characters` those of
    characters. Columns beside the text enter as in mlp.
    """

    width: int = Field(32, ge=1, le=16_384, description="Size of the vector of an n-gram.")
    shortest: int = Field(1, ge=1, le=16, description="Tokens of the shortest n-gram.")
    longest: int = Field(2, ge=1, le=16, description="Tokens of the longest n-gram.")
    buckets: int = Field(
        2**17, ge=1, le=2**26, description="Vectors that the n-grams of two and more tokens share by hashing."
    )
    pool: Literal["mean", "max", "attention"] = Field(
        "mean", description="How n-grams become one vector: mean, largest values, or a mean with learned weights."
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="Share of the text's vector switched off in training.")
    token_dropout: float = Field(0.0, ge=0, lt=1, description="Share of the n-grams left out in training.")
    depth: int = Field(0, ge=0, le=100, description="Dense layers of `hidden` units before the answer.")
    hidden: int = Field(128, ge=1, le=65_536, description="Units of such a layer.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.shortest > self.longest:
            raise ValueError(f"shortest {self.shortest} is above longest {self.longest}")
        return self


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {text group: [B, T], "number", "category": tensor} to [B, size]."""
    from dlw.models._ngram_bag import NgramBag

    return NgramBag(settings, inputs, output)
