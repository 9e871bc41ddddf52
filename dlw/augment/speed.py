"""Play recordings faster or slower, pitch included, as another speaker would be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from dlw.augment._base import Augment, AugmentSettings, Draws
from dlw.specs import FieldSpec

if TYPE_CHECKING:
    from torch import Tensor

KINDS = ("sound",)
LAID_ON = ()

Factor = Annotated[float, Field(ge=0.25, le=4)]


class Settings(AugmentSettings):
    """Ko et al. 2015, Interspeech, whose factors are the default."""

    factors: tuple[Factor, Factor] = Field(
        (0.9, 1.1), description="Slowest and fastest; 1 leaves a recording as it is."
    )

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.factors[0] >= self.factors[1]:
            raise ValueError(f"factors start at {self.factors[0]} and must rise, not end at {self.factors[1]}")
        return self


def build(settings: Settings, groups: Mapping[str, FieldSpec]) -> Augment:
    """Return the augmentation of every sound group."""
    from dlw.augment._sounds import at_speed, each_sound

    slowest, fastest = settings.factors

    def change(x_BT: Tensor, length_B: Tensor, draws: Draws, rate_hz: float) -> tuple[Tensor, Tensor]:
        return at_speed(x_BT, length_B, slowest + (fastest - slowest) * draws.uniform(1)[:, 0])

    return each_sound(groups, change)
