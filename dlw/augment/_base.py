"""The contract of an augmentation: a change of one training batch, on tensors, the same on every resume.

A plug-in file holds a docstring, `KINDS` (the input kinds it changes), `LAID_ON` (the target kinds that may lie on a
picture, mask and boxes, and stay true under it; the recipe check refuses others), a frozen pydantic `Settings`, and
`build(settings, groups) -> Augment`, where `groups` are the packed FieldSpecs of the inputs and, as "target", of the
target: what moves the pixels of a picture moves the mask or the boxes of the target with them. One that makes classes
has `CLASSES`: the true-or-false option that asks for it -> how many classes each class becomes; the new ids start at
the target's `sizes[0]`. Plug-in files import torch inside `build` only. All randomness comes from the Draws given with
the batch: a function of (seed, epoch, row, place in the recipe's list), never of torch's generators, so that resuming
needs no replay and workers change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Protocol, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict

from dlw.errors import UsageError
from dlw.specs import TARGET, FieldSpec

if TYPE_CHECKING:
    from torch import Tensor


def _rises(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"starts at {bounds[0]} and ends below, at {bounds[1]}")
    return bounds


Number = TypeVar("Number", bound=float)
Range = Annotated[tuple[Number, Number], AfterValidator(_rises)]
"""An option that is the least and the largest of something."""


class AugmentSettings(BaseModel):
    """Base of every augmentation's Settings: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Draws(Protocol):
    """Counter-based random numbers for the rows of one batch."""

    def uniform(self, count: int) -> Tensor:
        """Return float32 [B, count] in [0, 1), fresh at each call, a function of seed, epoch, row and call number."""
        ...

    def shared(self, count: int) -> Tensor:
        """Return float32 [count] in [0, 1), one draw for the whole batch (a function of seed and step)."""
        ...


class Augment(Protocol):
    """Changes a batch `{group: tensor, "target": ..., "index": ...}`; returns a new mapping, never writes in place.

    Mixing two rows (mixup, cutmix) adds "partner" (int64 [B], the row mixed in) and "share" (float32 [B], the weight of
    the row itself in the loss); the loop weighs both losses.
    """

    def __call__(self, batch: dict[str, Tensor], draws: Draws) -> dict[str, Tensor]: ...


def check_one_image(groups: Mapping[str, FieldSpec], name: str) -> None:
    """UsageError unless one picture is the only input of an augmentation that mixes rows: other columns cannot be."""
    if [spec.kind for group, spec in groups.items() if group != TARGET] != ["image"]:
        raise UsageError(f"data.augment: {name} mixes whole rows, so one image must be the only input")
