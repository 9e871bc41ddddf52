"""Vectors of length 1: rows of one class lie close together, also of classes that training never saw.

The target names the class of each row. It is only used to learn and to score: what is kept of a network is the vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from dlw.errors import DataError
from dlw.specs import Arrays, FieldSpec, Outcome, OutputSpec
from dlw.tasks._base import Task, TaskSettings

if TYPE_CHECKING:
    from torch import Tensor

TARGETS = {"category": ("vectors",)}
OUTPUT = "vector"
KEEPS_UNSEEN = True


class Settings(TaskSettings):
    """Options of the task `embedding`."""

    size: int = Field(128, ge=2, le=65_536, description="Numbers in a vector.")
    loss: Literal["proxy", "contrastive"] = Field(
        "proxy",
        description="proxy: each vector is drawn to a learned direction of its class (normalised softmax, "
        "arXiv:1811.12649); contrastive: to the rows of its class in the batch (arXiv:2004.11362), which wants batches "
        "of several rows per class.",
    )
    temperature: float = Field(0.05, gt=0, le=10, description="Cosines are divided by it; small looks at near misses.")
    margin: float = Field(
        0.0, ge=0, lt=1, description="Taken off the cosine to the own class in training (proxy; arXiv:1801.09414)."
    )

    @model_validator(mode="after")
    def _check(self) -> Settings:
        if self.margin and self.loss != "proxy":
            raise ValueError("margin has no effect unless loss is proxy")
        return self


def build(settings: Settings, target: FieldSpec) -> EmbeddingTask:
    """Bind the task to its target; DataError where there is nothing to tell apart."""
    if len(target.sizes) != 1 or target.sizes[0] < 2:
        raise DataError(
            f"task: embedding tells the classes of one category column apart, two or more; {', '.join(target.columns)} "
            f"has {', '.join(map(str, target.sizes))}"
        )
    return EmbeddingTask(settings, target)


class EmbeddingTask(Task):
    """One vector per row. Answers {"vector": [B, D]}, of length 1."""

    def __init__(self, settings: Settings, target: FieldSpec) -> None:
        self.settings = settings
        self.labels = target.labels
        self.output = OutputSpec("vector", settings.size, classes=target.sizes[0] if settings.loss == "proxy" else 0)
        self.compares_rows = settings.loss != "proxy"
        self.monitor = "map_at_r"
        self.metrics: tuple[str, ...] = ("recall_at_1", "map_at_r")

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Return each row's loss [B] from vectors [B, D] (contrastive), or vectors and cosines [B, D + K] (proxy).

        Classes have no directions outside of training, where classes may be new: there the loss is the contrastive one.
        """
        from dlw.tasks._losses import contrastive_loss, proxy_loss

        size, temperature = self.settings.size, self.settings.temperature
        if out.shape[-1] == size:
            return contrastive_loss(out, target, temperature=temperature)
        return proxy_loss(out[:, size:], target, temperature=temperature, margin=self.settings.margin)

    def activate(self, out: Tensor) -> dict[str, Tensor]:
        """Return vectors [B, D] of length 1."""
        from torch.nn import functional as F

        return {"vector": F.normalize(out.float(), dim=-1)}

    def condense(self, answers: Arrays) -> Arrays:
        """Bring vectors to length 1 again: the mean over the members of an ensemble is shorter."""
        vector = np.asarray(answers["vector"], np.float32)
        return {"vector": vector / np.maximum(np.linalg.norm(vector, axis=1, keepdims=True), 1e-12)}

    def outcome(self, answers: Mapping[str, np.ndarray], target: np.ndarray) -> Outcome:
        """Lay vectors beside class ids; every row is searched among all others."""
        return Outcome("vectors", answers["vector"], target, self.labels)

    def decode(self, answers: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return `vector`, a list of numbers per row."""
        return {"vector": np.asarray(answers["vector"]).tolist()}
