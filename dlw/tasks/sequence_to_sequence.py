"""A text into another text: translation, summaries; the network writes token by token, by beam search unless told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from dlw.specs import FieldSpec, Outcome, OutputSpec
from dlw.tasks._base import Task
from dlw.tasks._writing import WritingSettings, end_of, judged_tokens, mean_row_losses, nats_of, token_nats, unwritten

if TYPE_CHECKING:
    from torch import Tensor

TARGETS = {"tokens": ("texts", "nats")}
WRITTEN = ("texts",)
OUTPUT = "told_tokens"
NEEDS = ("sacrebleu", "text")
"""The package that its scores are computed with, and the extra that installs it."""


class Settings(WritingSettings):
    """Options of the task `sequence_to_sequence`."""

    beams: int = Field(5, ge=1, le=256, description="Width of the beam search; 1 draws tokens one by one.")
    max_tokens: int = Field(128, ge=1, le=100_000, description="Tokens that are written at most.")
    label_smoothing: float = Field(
        0.1, ge=0, lt=1, description="Share of each target that is spread over all tokens in training."
    )


def build(settings: Settings, target: FieldSpec) -> SequenceToSequenceTask:
    """Bind the task to the tokens that it writes."""
    return SequenceToSequenceTask(settings, target)


class SequenceToSequenceTask(Task):
    """Logits of the target's tokens and of its end, each knowing those before."""

    is_validated_apart = True

    def __init__(self, settings: Settings, target: FieldSpec) -> None:
        self.settings = settings
        self.characters = np.array(target.statistics["characters"])
        self.end = end_of(target, "sequence_to_sequence")
        steps = max(settings.max_tokens, target.shape[0]) + 1
        (copied,) = target.statistics.get("same_as", ("",))
        self.output = OutputSpec("told_tokens", target.sizes[0], steps=steps, end=self.end, copied=copied)
        self.writing: WritingSettings | None = settings
        self.banned = unwritten(target)
        self.monitor = "nats_per_token"
        self.metrics: tuple[str, ...] = ("chrf",)

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Return each row's loss [B] from logits [B, T + 1, V] and targets [B, T]."""
        closed = self._closed(target)
        return mean_row_losses(token_nats(out, closed, self.settings.label_smoothing), closed)

    def counted(self, out: Tensor, target: Tensor) -> Tensor:
        """Return the number of tokens that are learned, the ends of the texts among them."""
        return (self._closed(target) != 0).sum()

    def activate(self, out: Tensor) -> dict[str, Tensor]:
        """Return the logits themselves."""
        return {"logits": out}

    def judge(self, out: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return the row's sums; see Task.judge."""
        closed = self._closed(target)
        return judged_tokens(token_nats(out, closed), closed, self.characters)

    def outcome(self, answers: Mapping[str, np.ndarray], target: np.ndarray) -> Outcome:
        """Lay the nats of each row beside what was predicted: what validations in training see."""
        return nats_of(answers)

    def protocol(self, outcome: Outcome) -> tuple[str, ...]:
        """Say how the texts were written."""
        return (f"texts: written by {self.settings.told()}, judged against the column as it was given",)

    def decode(self, answers: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return what is known of each row as columns: the written text, or sums over its target."""
        return {name: values.tolist() for name, values in answers.items()}

    def _closed(self, target: Tensor) -> Tensor:
        """Return targets [B, T + 1] with the end behind each text."""
        import torch

        return torch.nn.functional.pad(target, (0, 1)).scatter(1, (target != 0).sum(1, keepdim=True), self.end)
