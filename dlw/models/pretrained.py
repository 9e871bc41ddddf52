"""A pretrained encoder of text in Hugging Face's format, from a local folder or an installed package, tuned further."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from dlw.local_files import problem_of
from dlw.models._base import ModelSettings
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from torch import nn

INPUTS = ("tokens",)
OUTPUTS = ("vector",)
NEEDS = ("transformers", "pretrained")


class Settings(ModelSettings):
    """The encoder reads the tokens, one vector is made of its last layer, a linear layer answers.

    The text field takes its `tokenizer` from the same folder. Only safetensors are read, nothing is fetched, no code of
    the folder is run. LoRA: Hu et al. 2021, arXiv:2106.09685.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, serialize_by_alias=True)

    from_: str = Field(
        alias="from",
        min_length=1,
        description="Folder with config.json and safetensors: a path, or package:NAME/FOLDER for what an installed "
        "package carries.",
    )
    architecture: dict[str, Any] | None = Field(
        None, description="The folder's config.json; training writes it here, so that a run needs the folder no more."
    )
    tune: Literal["full", "frozen", "lora"] = Field(
        "full", description="What learns: everything, only what follows the encoder, or small matrices beside its own."
    )
    rank: int | None = Field(None, ge=1, le=1024, description="Rank of these matrices (lora); default: 8.")
    pool: Literal["mean", "max", "attention", "first"] = Field(
        "mean", description="How steps become one vector: mean, largest values, a mean with learned weights, the first."
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of that vector switched off in training.")

    @field_validator("from_")
    @classmethod
    def _is_a_reference(cls, value: str) -> str:
        if problem := problem_of(value):
            raise ValueError(problem)
        return value

    @field_validator("architecture")
    @classmethod
    def _is_an_architecture(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None and not isinstance(value.get("model_type"), str):
            raise ValueError("has no `model_type`; give the folder's config.json, or leave it out")
        return value

    @model_validator(mode="after")
    def _has_effect(self) -> Self:
        if self.rank is not None and self.tune != "lora":
            raise ValueError(f"rank has no effect with tune: {self.tune}")
        return self


def resolved(settings: Settings) -> dict[str, Any]:
    """Return the options that a run keeps so that it needs the folder no more."""
    from dlw.models._pretrained_files import read_architecture

    return {"architecture": settings.architecture or read_architecture(settings.from_)}


def build(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return a network from {text group: [B, T]} to [B, size]; its weights are random until they are read."""
    from dlw.models._pretrained import Pretrained

    return Pretrained(settings, inputs, output)
