"""Add white noise to recordings, at a loudness drawn for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from dlw.augment._base import Augment, AugmentSettings, Draws, Range
from dlw.specs import FieldSpec

if TYPE_CHECKING:
    from torch import Tensor

KINDS = ("sound",)
LAID_ON = ()

Decibel = Annotated[float, Field(ge=-20, le=120)]


class Settings(AugmentSettings):
    """The louder the noise, the smaller the ratio."""

    ratio_db: Range[Decibel] = Field(
        (10.0, 50.0), description="Least and largest ratio of the recording's mean power to that of the noise."
    )


def build(settings: Settings, groups: Mapping[str, FieldSpec]) -> Augment:
    """Return the augmentation of every sound group."""
    from dlw.augment._sounds import each_sound, noisy

    least, largest = settings.ratio_db

    def change(x_BT: Tensor, length_B: Tensor, draws: Draws, rate_hz: float) -> tuple[Tensor, Tensor]:
        return noisy(x_BT, length_B, least + (largest - least) * draws.uniform(1)[:, 0], draws)

    return each_sound(groups, change)
