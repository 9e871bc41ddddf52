"""Take bands of frequencies and stretches of time out of recordings, so that no single part decides."""

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
    """Park et al. 2019, arXiv:1904.08779, done to the samples, before the network makes a spectrum of them."""

    bands: int = Field(2, ge=0, le=16, description="Bands of frequencies taken out.")
    band: float = Field(0.15, gt=0, le=1, description="Widest band, as a share of all frequencies.")
    gaps: int = Field(2, ge=0, le=16, description="Stretches of silence.")
    gap: float = Field(0.05, gt=0, le=1, description="Longest stretch, as a share of the recording.")


def build(settings: Settings, groups: Mapping[str, FieldSpec]) -> Augment:
    """Return the augmentation of every sound group."""
    from dlw.augment._sounds import each_sound, filtered, silenced

    def change(x_BT: Tensor, length_B: Tensor, draws: Draws, rate_hz: float) -> tuple[Tensor, Tensor]:
        if settings.bands:
            start_BN, width_BN = draws.uniform(2 * settings.bands).chunk(2, dim=1)
            x_BT = filtered(x_BT, start_BN, width_BN * settings.band)
        if settings.gaps:
            place_BN, width_BN = draws.uniform(2 * settings.gaps).chunk(2, dim=1)
            x_BT = silenced(x_BT, length_B, place_BN, width_BN * settings.gap)
        return x_BT, length_B

    return each_sound(groups, change)
