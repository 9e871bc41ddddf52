"""Move recordings a little in time: what leaves at one end is lost, silence enters at the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from dlw.augment._base import Augment, AugmentSettings, Draws
from dlw.specs import FieldSpec

if TYPE_CHECKING:
    from torch import Tensor

KINDS = ("sound",)
LAID_ON = ()


class Settings(AugmentSettings):
    """Lengths stay as they are."""

    seconds: float = Field(0.05, gt=0, le=60, description="Largest move, in either direction.")


def build(settings: Settings, groups: Mapping[str, FieldSpec]) -> Augment:
    """Return the augmentation of every sound group."""
    from dlw.augment._sounds import each_sound, shifted

    def change(x_BT: Tensor, length_B: Tensor, draws: Draws, rate_hz: float) -> tuple[Tensor, Tensor]:
        most = round(settings.seconds * rate_hz)
        return shifted(x_BT, length_B, (draws.uniform(1)[:, 0] * (2 * most + 1)).long() - most)

    return each_sound(groups, change)
