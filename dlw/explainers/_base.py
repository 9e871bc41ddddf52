"""The contract of an explainer: one way to say why a network answers as it does.

A plug-in file holds a docstring, a frozen pydantic `Settings`, and
  `ABOUT`   "row" where the reasons are those of one answer, "split" where they are those of all answers to a split
  `INPUTS`  the input kinds (specs.FieldSpec) that it gives reasons for; inputs of other kinds are left out
  `NEEDS`   optional: (package, extra) where it needs a package that dlw does not
  `build(settings)`   of a row, a function from Question to Explanation; of a split, from Survey to a list of Worth
  `misfit(question) -> str`   of a row only: why the method does not fit this network, or nothing
Explanations are about `Question.score`, one number per row, and never about a probability after calibration: what is
explained must go on to rise where a probability has come near 1. Torch is imported in private files of the room.
Shape legend: B rows, T steps, C channels, H and W pixels, F columns, M mel bands, S steps of a spectrum, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from dlw.specs import Arrays, FieldSpec

if TYPE_CHECKING:
    from torch import Tensor, nn


class ExplainerSettings(BaseModel):
    """Base of every explainer's Settings: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Part:
    """What is taken away or exchanged as one: some places on the last axis of a group, or a whole group (None)."""

    name: str
    group: str
    places: slice | None = None


@dataclass(frozen=True)
class Question:
    """One encoded row, the network that answered it, and the number that is explained.

    `network` is in evaluation mode and its weights want no gradients; `score` turns its output into float [B]. `row`
    and `background`, rows to compare with (none where the method asks for none), lie on the network's device.
    """

    network: nn.Module
    score: Callable[[Tensor], Tensor]
    row: Mapping[str, Tensor]
    inputs: Mapping[str, FieldSpec]
    parts: tuple[Part, ...]
    background: Mapping[str, Tensor]
    seed: int


@dataclass(frozen=True)
class Map:
    """How much each place of one input speaks for the score (above 0) or against it (below 0).

    image [H, W]; sound [M, S] or, over time, [T]; series [T, C]; tokens [T]; number and category [F]. `under` is what
    the network saw there where that is not the input itself: the spectrum [M, S] of a sound.
    """

    values: np.ndarray
    under: np.ndarray | None = None
    names: tuple[str, ...] = ()
    """Of values that stand for whole parts rather than for the places of the group."""


@dataclass(frozen=True)
class Explanation:
    """Maps by input group; `base` is the score of the row without anything, where the method has such a row.

    Where `is_complete`, the values of all maps are meant to add up to score - base; `gap` is what they miss of it.
    """

    maps: Mapping[str, Map]
    score: float
    base: float | None = None
    is_complete: bool = False

    @property
    def gap(self) -> float:
        """What the maps miss of score - base, 0 where they are not meant to add up."""
        if not self.is_complete or self.base is None:
            return 0.0
        return float(self.score - self.base - sum(float(found.values.sum()) for found in self.maps.values()))


@dataclass(frozen=True)
class Survey:
    """The encoded rows of a split, in parts, and a function that judges answers to them.

    `measure` returns float [1 + R], higher is better: the metric of the answers to some arrays, then the same on R
    resamples of the rows, which are the same in every call.
    """

    arrays: Arrays
    parts: tuple[Part, ...]
    measure: Callable[[Arrays], np.ndarray]
    seed: int
    progress: Callable[[int, int], None]


@dataclass(frozen=True)
class Worth:
    """How much the metric loses without a part, with a 95 % interval."""

    name: str
    value: float
    low: float
    high: float
