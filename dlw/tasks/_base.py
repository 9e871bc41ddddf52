"""The contract of a task: what comes out of the network and how it is judged.

A plug-in file holds a docstring, `TARGETS` (target kind it accepts -> Outcome kinds it can give for it, see
specs.FieldSpec and specs.Outcome; `none` where it needs no target), `OUTPUT` (the kind of specs.OutputSpec it asks
for), a frozen pydantic `Settings`, and `build(settings, target)`, where `target` is the packed FieldSpec of the
recipe's target columns. Five more are optional: `OWN_TARGETS`, the input kinds that the task can learn from without a
target column (the input is its own target then); `KEEPS_UNSEEN = True` where classes that training never saw are as
good as others; `learns_from(settings, label)`, which says whether training rows of a label are kept; `FOUND_BY`, which
maps options that `calibrate` finds to the options that ask for it; and `WRITTEN`, the Outcome kinds that `dlw evaluate`
alone has, because the network writes for them: without a target column, replies in conversations, where a metric asks.
Files import torch only inside the functions that compute with tensors, so that a bundle decodes without it.
Shape legend: B rows, K outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict

from dlw.packing import Packing
from dlw.specs import Arrays, Outcome, OutputSpec

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from dlw.tasks._writing import WritingSettings


class TaskSettings(BaseModel):
    """Base of every task's Settings: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Explained:
    """What of a task's answers can be explained: one number of any size for each name.

    `unit` says in words what the number is. Where `is_choice`, one of the names is the answer, and the number of the
    answer is explained unless another is named.
    """

    names: tuple[str, ...]
    unit: str
    is_choice: bool


class Task(Protocol):
    """A task bound to its settings and target."""

    output: OutputSpec
    monitor: str
    """Metric that chooses the best checkpoint on the validation split unless the recipe names another."""
    metrics: tuple[str, ...]
    """Metrics reported unless the recipe names others."""
    packing: Packing | None = None
    """How texts are cut into windows, where the rows of the network are not the rows of the data."""
    writing: WritingSettings | None = None
    """How tokens are chosen, where the network writes."""
    banned: tuple[int, ...] = ()
    """Ids that are never written."""
    compares_rows: bool = False
    """Whether the loss of a row depends on the other rows of its batch, beyond what `counted` says."""
    is_validated_apart: bool = False
    """Whether validations in training have another kind of outcome than `dlw evaluate` judges."""

    @property
    def unit(self) -> str:
        """What the rows of the network are: rows of the data, or windows of texts."""
        return "rows" if self.packing is None else "windows"

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Return each row's loss, float32 [B], from the network's output [B, K] and the encoded target [B, ...]."""
        ...

    def counted(self, out: Tensor, target: Tensor) -> Tensor | None:
        """Return how many parts the losses' mean is a mean over, where that is not the rows: tokens, say."""
        return None

    def activate(self, out: Tensor) -> dict[str, Tensor]:
        """Turn the network's output [B, K] into named answers in the user's units; traced into every export."""
        ...

    def conclude(self, answers: dict[str, Tensor]) -> dict[str, Tensor]:
        """Change the answers once the members of an ensemble are averaged; traced into every export."""
        return answers

    def judge(self, out: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return what `outcome` reads, where that is known beside the truth only: of networks that write."""
        return self.activate(out)

    def prompt(self, token_T: np.ndarray) -> np.ndarray:
        """Return what a network that writes reads before it goes on with the tokens of a row."""
        return token_T

    def condense(self, answers: Arrays) -> Arrays:
        """Keep of a batch's answers what `outcome` and `decode` read: a whole split of raw answers may not fit."""
        return answers

    def outcome(self, answers: Mapping[str, np.ndarray], target: np.ndarray) -> Outcome:
        """Lay answers beside the encoded target for the metrics."""
        ...

    def protocol(self, outcome: Outcome) -> tuple[str, ...]:
        """Say, a sentence each, what of the task's settings a reader of the scores must know: of searches, windows."""
        return ()

    def calibrate(self, outcome: Outcome) -> dict[str, float | dict[str, float]]:
        """Return options of the task that are found on the validation split, kept with the checkpoint."""
        return {}

    def decide_alike(self, outcome: Outcome, validation: Outcome) -> Outcome:
        """Return another predictor's outcome with what `calibrate` finds on that one's validation outcome applied."""
        return outcome

    def decode(self, answers: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Turn answers into the columns of the prediction table, one value per row in each."""
        ...

    @property
    def explained(self) -> Explained | None:
        """Say what `score` can be asked for; None where the answers are no single numbers."""
        return None

    def score(self, out: Tensor, place: int) -> Tensor:
        """Return [B]: the number of one of the names that are `explained`, from the network's output [B, K]."""
        return out[:, place].float()

    def layers(self, answers: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Return what `draw` draws of each row, as an Outcome's prediction; None where nothing lies on the picture."""
        return None

    def draw(self, picture: Image, layer: np.ndarray) -> Image:
        """Return an RGB picture of the encoded size with one of `layers`, or one encoded target, drawn over it.

        Runs without torch: an exported bundle draws, too.
        """
        return picture
