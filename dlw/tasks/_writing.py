"""How a task that writes chooses its tokens: the options that its settings share, and the loss of tokens.

Shape legend: B rows, T steps, V tokens of the vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field, model_validator

from dlw.errors import DataError
from dlw.specs import FieldSpec, Outcome
from dlw.tasks._base import TaskSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

DRAWING = ("temperature", "top_k", "top_p", "repetition_penalty", "candidates", "seed")
"""Options without effect in a beam search."""


class WritingSettings(TaskSettings):
    """Options of writing; `dlw predict --set NAME=VALUE` changes them for one call."""

    max_tokens: int = Field(200, ge=1, le=1_000_000, description="Tokens that are written at most.")
    temperature: float = Field(
        1.0, ge=0, le=100, description="Logits are divided by it before a token is drawn; 0 takes the likeliest."
    )
    top_k: int = Field(0, ge=0, description="Draw from so many of the likeliest tokens; 0 from all.")
    top_p: float = Field(1.0, gt=0, le=1, description="Draw from the likeliest tokens that hold this probability.")
    repetition_penalty: float = Field(
        1.0, ge=1, le=100, description="Above 1, tokens that were already written become less likely."
    )
    candidates: int = Field(
        1, ge=1, le=1024, description="From 3 on, so many texts are drawn, and the one most like the others is taken."
    )
    seed: int = Field(0, ge=0, lt=2**63, description="Decides what is drawn.")
    beams: int = Field(1, ge=1, le=256, description="Above 1, the best text of a beam search of this width.")
    length_penalty: float = Field(
        1.0,
        ge=0,
        le=10,
        description="A text's score is divided by its length to this power; 0 prefers short ones.",
    )
    stop: list[str] = Field([], max_length=32, description="Words that end what is written; they are left out.")

    @model_validator(mode="after")
    def _nothing_without_effect(self) -> WritingSettings:
        given = sorted(self.model_fields_set)
        if self.beams > 1 and (idle := [name for name in given if name in DRAWING and self._differs(name)]):
            raise ValueError(f"{', '.join(idle)}: no effect where beams is above 1, nothing is drawn; set beams to 1")
        if self.beams == 1 and "length_penalty" in given and self._differs("length_penalty"):
            raise ValueError("length_penalty: no effect unless beams is above 1")
        if self.candidates == 2:
            raise ValueError("candidates: two are as like each other; set candidates to 1, or to 3 or more")
        if self.candidates > 1 and (self.temperature == 0 or self.top_k == 1):
            told = "all the same where the likeliest token is taken"
            raise ValueError(f"candidates: {told}; raise temperature and top_k, or set candidates to 1")
        if any(not word for word in self.stop):
            raise ValueError("stop: an empty word would end every text at once")
        return self

    def told(self) -> str:
        """Say how tokens are chosen, and how many at most."""
        return f"{self.way()}, {self.max_tokens:,} tokens at most"

    def way(self) -> str:
        """Say how tokens are chosen."""
        if self.beams > 1:
            return f"beam search of width {self.beams}, length penalty {self.length_penalty:g}"
        drawing = f"top_k {self.top_k}, top_p {self.top_p:g}, repetition_penalty {self.repetition_penalty:g}"
        chosen = f", of {self.candidates} candidates the one most like the others" if self.candidates > 1 else ""
        return f"temperature {self.temperature:g}, {drawing}, seed {self.seed}{chosen}"

    def _differs(self, name: str) -> bool:
        return bool(getattr(self, name) != type(self).model_fields[name].default)


def end_of(target: FieldSpec, task: str) -> int:
    """Return the id that ends a text; DataError where the tokens have none."""
    if "end" not in target.statistics:
        raise DataError(f"task {task}: the tokens of {', '.join(target.columns)} have no id that ends a text")
    return int(target.statistics["end"][0])


def unwritten(target: FieldSpec) -> tuple[int, ...]:
    """Return the ids that are never written: they stand for nothing that can be read."""
    marks = [*target.statistics.get("unknown", ()), *target.statistics.get("start", ())]
    ids = {int(place) for place in (*marks, *target.statistics.get("roles", {}).values())}
    return tuple(sorted(ids - {end_of(target, "writing")}))


def token_nats(out: Tensor, target: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return the negative log likelihood of each step, float32 [B, T], from logits [B, T, V]; 0 where the target is."""
    from torch.nn import functional as F

    logits = out.float().flatten(0, 1)
    nats = F.cross_entropy(logits, target.flatten().long(), ignore_index=0, reduction="none", label_smoothing=smoothing)
    return nats.unflatten(0, target.shape)


def judged_tokens(nats: Tensor, target: Tensor, characters: np.ndarray) -> dict[str, Tensor]:
    """Return each row's sums: `nats`, and the `tokens` and `characters` that count."""
    import torch

    count = torch.as_tensor(characters, dtype=torch.float32, device=target.device)
    return {
        "nats": nats.sum(dim=1),
        "tokens": (target != 0).sum(dim=1).float(),
        "characters": count[target.long()].sum(dim=1),
    }


def nats_of(answers: Mapping[str, np.ndarray]) -> Outcome:
    """Lay the nats of each row beside the tokens and characters that they are the sum over; see judged_tokens."""
    counts = np.stack([answers["tokens"], answers["characters"]], axis=1).astype(np.float64)
    return Outcome("nats", np.asarray(answers["nats"], np.float64), counts)


def mean_row_losses(nats: Tensor, target: Tensor) -> Tensor:
    """Return losses [B] whose mean is the batch's mean over tokens: long rows weigh more than short ones."""
    tokens = (target != 0).sum().clamp(min=1)
    return nats.sum(dim=1) * (len(nats) / tokens)
