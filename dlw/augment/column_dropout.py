"""Forget single values of a table's rows, as if they were missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from dlw.augment._base import Augment, AugmentSettings, Draws
from dlw.specs import FieldSpec

if TYPE_CHECKING:
    from torch import Tensor

KINDS = ("number", "category")
LAID_ON = ("mask", "boxes")


class Settings(AugmentSettings):
    """Each value of each row is forgotten by itself; the network learns to do without any one column."""

    probability: float = Field(0.1, gt=0, lt=1, description="Chance of a value to be forgotten.")


def build(settings: Settings, groups: Mapping[str, FieldSpec]) -> Augment:
    """Return the augmentation: numbers become NaN, categories become id 0."""
    import torch

    num_columns = {kind: groups[kind].shape[0] for kind in KINDS if kind in groups}
    forgotten = {"number": torch.nan, "category": 0}

    def forget(batch: dict[str, Tensor], draws: Draws) -> dict[str, Tensor]:
        is_gone = draws.uniform(sum(num_columns.values())) < settings.probability
        changed = {
            kind: batch[kind].masked_fill(mask, forgotten[kind])
            for kind, mask in zip(num_columns, is_gone.split([*num_columns.values()], dim=1), strict=True)
        }
        return {**batch, **changed}

    return forget
