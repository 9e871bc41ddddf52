"""What comes next, token by token: learns from text alone, continues prompts, answers in a chat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field, model_validator

from dlw.packing import Packing
from dlw.specs import FieldSpec, Outcome, OutputSpec
from dlw.tasks._base import Task
from dlw.tasks._writing import WritingSettings, end_of, judged_tokens, mean_row_losses, nats_of, token_nats, unwritten

if TYPE_CHECKING:
    from torch import Tensor

TARGETS = {"tokens": ("nats", "texts")}
WRITTEN = ("texts",)
OWN_TARGETS = ("tokens",)
OUTPUT = "tokens"


class Settings(WritingSettings):
    """Options of the task `language_modeling`."""

    context: int = Field(256, ge=2, le=1_000_000, description="Tokens that the network looks back at most.")
    separate: bool = Field(
        True, description="Rows are texts of their own; false: they follow one another as one running text."
    )
    train_stride: int | None = Field(
        None, ge=1, description="Tokens from one training window to the next; default: the context, each token once."
    )
    stride: int | None = Field(
        None,
        ge=1,
        description="Tokens that each window of an evaluation judges, the ones before only being read; default: half "
        "the context.",
    )

    @model_validator(mode="after")
    def _strides_fit(self) -> Settings:
        for name in ("train_stride", "stride"):
            stride = getattr(self, name) or 1
            if stride > self.context:
                raise ValueError(f"{name} {stride} is above context {self.context}: tokens would be left out")
        return self


def build(settings: Settings, target: FieldSpec) -> LanguageModelingTask:
    """Bind the task to the tokens that it learns from."""
    return LanguageModelingTask(settings, target)


class LanguageModelingTask(Task):
    """Logits of the next token. Answers {"nats": [B], "tokens": [B], "characters": [B]}, sums over a window."""

    def __init__(self, settings: Settings, target: FieldSpec) -> None:
        self.settings = settings
        self.target = target
        self.end = end_of(target, "language_modeling")
        self.output = OutputSpec("tokens", target.sizes[0], steps=settings.context, end=self.end)
        context = settings.context
        stride = settings.stride or max(1, context // 2)
        self.packing: Packing | None = Packing(context, settings.train_stride or context, stride, settings.separate)
        self.writing: WritingSettings | None = settings
        self.roles: Mapping[str, int] = target.statistics.get("roles", {})
        self.banned = unwritten(target)
        self.monitor = "nats_per_token"
        self.metrics: tuple[str, ...] = ("nats_per_token", "perplexity", "bits_per_character")

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Return each row's loss [B] from logits [B, T, V] and targets [B, T]; a target of 0 does not count."""
        return mean_row_losses(token_nats(out, target), target)

    def counted(self, out: Tensor, target: Tensor) -> Tensor:
        """Return the number of tokens that are learned."""
        return (target != 0).sum()

    def activate(self, out: Tensor) -> dict[str, Tensor]:
        """Return the logits themselves."""
        return {"logits": out}

    def judge(self, out: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return the window's sums; see Task.judge."""
        return judged_tokens(token_nats(out, target), target, np.array(self.target.statistics["characters"]))

    def prompt(self, token_T: np.ndarray) -> np.ndarray:
        """Return the tokens after an end, as they stand in training; in a chat it is the assistant's turn."""
        before = [self.end] if self.settings.separate or not len(token_T) else []
        after = [self.roles["assistant"]] if self.roles else []
        return np.concatenate([before, token_T, after]).astype(np.int32)

    def outcome(self, answers: Mapping[str, np.ndarray], target: np.ndarray) -> Outcome:
        """Lay the nats of each window beside what was predicted."""
        return nats_of(answers)

    def protocol(self, outcome: Outcome) -> tuple[str, ...]:
        """Say how much text there was and what is known before each token."""
        assert self.packing is not None
        tokens, characters = outcome.target.sum(axis=0)
        known = self.packing.context - self.packing.stride
        return (
            f"text: every token that is learned once, {tokens:,.0f} tokens of {characters:,.0f} characters, in windows "
            f"of {self.packing.context} tokens {self.packing.stride} apart: a token is judged knowing {known} or more "
            "before it, but for those that begin the text",
        )

    def decode(self, answers: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return the sums as columns, one window a row."""
        return {name: np.asarray(answers[name], np.float64) for name in ("nats", "tokens", "characters")}
