"""The contract of a model: pure torch from packed raw tensors to the task's output.

A plug-in file holds a docstring, `INPUTS` (the input kinds it takes, see specs.FieldSpec), `OUTPUTS` (the output kinds
it can give, see specs.OutputSpec), a frozen pydantic `Settings`, and `build(settings, inputs, output) -> nn.Module`
whose forward takes `{group: tensor}` as packed by specs.pack_specs and returns what the output spec says.
Plug-in files import torch only inside `build`, with the layers in a private `_file` of the room: checking a recipe and
drawing its schema must not cost an import of torch. Everything numeric (scaling of pixels and numbers, filling of gaps,
embedding of ids) happens inside the network, from FieldSpec.statistics kept as buffers, so an export takes raw inputs.
Networks initialise from torch's global generator, which the caller seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, field_validator

if TYPE_CHECKING:
    from torch import Tensor, nn


@runtime_checkable
class Filled(Protocol):
    """A network that is filled by one pass over the training rows instead of being trained by steps.

    Both are called without gradients and in evaluation mode, with torch's generator seeded.
    """

    def collect(self, batch: Mapping[str, Tensor]) -> None:
        """Take in some training rows, `{group: tensor}`; every row comes once, in order."""
        ...

    def settle(self) -> None:
        """Turn what was taken in into the network's state; called once, after the last row."""
        ...


@runtime_checkable
class Refitted(Protocol):
    """A network that is trained by steps and has a part that is fitted to all training rows before each validation.

    Both are called without gradients and in evaluation mode. What `refit` leaves is a function of the weights alone.
    """

    def look(self, batch: Mapping[str, Tensor]) -> None:
        """Take in some training rows, `{group: tensor}`; every row comes once, in order."""
        ...

    def refit(self) -> None:
        """Fit the part to what was taken in, and forget it; called once, after the last row."""
        ...


@runtime_checkable
class ReadsWords(Protocol):
    """A layer or network that gives words their vectors; `train.adversarial` pushes these."""

    def words(self) -> nn.Module:
        """Return the layer from ids [B, T] to vectors [B, T, D]."""
        ...


@runtime_checkable
class Started(Protocol):
    """A network whose first weights lie in files that its recipe names under `from`.

    Its plug-in also defines `resolved(settings)`: options that a run keeps so that it needs the files no more.
    """

    def read_start(self) -> str:
        """Take the weights and say which; RunError where there are none that fit."""
        ...


@runtime_checkable
class InTransformers(Protocol):
    """A network that the transformers library has, too."""

    def as_transformers(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return the content of config.json, and the weights by their names there; ids are lower by one."""
        ...


@runtime_checkable
class Writer(Protocol):
    """A network that gives tokens and can be asked for them one by one.

    Every tensor of a state has the rows on its first axis; `keys` and `values` have the steps on axis 3 and may be cut
    to their last ones. `step` after `begin` gives what `forward` gives for the last of the steps read so far.
    """

    def begin(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the state before the first token, from the input groups."""
        ...

    def step(self, token_BT: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Read T more tokens; return the logits [B, V] after the last one and the new state."""
        ...


class Backbone(BaseModel):
    """Weights to start from."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, serialize_by_alias=True)

    from_: str = Field(alias="from", description="The run that the weights come from; relative to the recipe's folder.")
    head: Literal["fresh", "kept"] = Field(
        "fresh",
        description="The last layer: fresh, or that of the run where it has the shape, as for the same classes.",
    )


def check_heads(width: int, heads: int, multiple: int = 1) -> None:
    """ValueError where a head would not get a multiple of `multiple` numbers of each vector."""
    if width % (multiple * heads):
        told = f"heads {heads}" if multiple == 1 else f"{multiple} x heads {heads}"
        raise ValueError(f"width {width} must be a multiple of {told}")


def check_stages(widths: Sequence[int], depths: Sequence[int]) -> None:
    """ValueError where stages of convolutions are not given both a width and a depth each."""
    if len(widths) != len(depths):
        raise ValueError(f"widths names {len(widths)} stages and depths {len(depths)}; give one of each")


class ModelSettings(BaseModel):
    """Base of every model's Settings: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    ensemble: int = Field(
        1, ge=1, le=64, description="Independent networks that are trained side by side and answer together."
    )
    backbone: Backbone | None = Field(
        None, description="Start from the weights of another run, wherever name and shape are the same."
    )


class PictureSettings(ModelSettings):
    """Base of the Settings of a model that reads one picture and answers with a vector or a map."""

    test_time_flips: list[Literal["horizontal", "vertical"]] = Field(
        [],
        description="Outside of training the picture's mirror images are answered as well and the answers averaged: "
        "for things that may be seen so, at 2 or 4 times the time and memory.",
    )

    @field_validator("test_time_flips")
    @classmethod
    def _no_flip_twice(cls, flips: list[str]) -> list[str]:
        if len(set(flips)) < len(flips):
            raise ValueError("names a flip twice")
        return flips
