"""Groups of rows that are alike, found without labels.

A target may name the classes that rows are known to fall into: it is hidden while learning and only used to score.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from dlw.errors import DataError
from dlw.specs import FieldSpec, Outcome, OutputSpec
from dlw.tasks._base import Task, TaskSettings

if TYPE_CHECKING:
    from torch import Tensor

TARGETS = {"none": ("clusters",), "category": ("clusters",)}
OUTPUT = "clusters"
KEEPS_UNSEEN = True

MAX_PROBABILITY_COLUMNS = 100
"""With more clusters than this, predictions hold `cluster`, `probability` and `distance` only."""


class Settings(TaskSettings):
    """Options of the task `clustering`."""

    clusters: int = Field(8, ge=2, le=1000, description="Number of groups.")


def build(settings: Settings, target: FieldSpec) -> ClusteringTask:
    """Bind the task to its target, if it has one; DataError where that is more than one category column."""
    if target.kind == "category" and len(target.sizes) != 1:
        raise DataError(f"task: clustering is scored by one category column, got {', '.join(target.columns)}")
    return ClusteringTask(settings, target)


class ClusteringTask(Task):
    """One of K clusters per row. Answers {"probabilities": [B, K], "distances": [B, K], "position": [B, D]}.

    Distances are from the middle of each cluster, in its standard deviations; position is the row itself, standardised.
    """

    def __init__(self, settings: Settings, target: FieldSpec) -> None:
        self.labels = target.labels
        self.output = OutputSpec("clusters", settings.clusters)
        self.monitor = "loss"
        is_named = target.kind == "category"
        self.metrics: tuple[str, ...] = ("ari", "nmi", "silhouette") if is_named else ("silhouette",)

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Return how badly each row is rebuilt [B]; the target is not looked at."""
        return out[:, 0].float()

    def activate(self, out: Tensor) -> dict[str, Tensor]:
        """Return the probability of each cluster, the distance from it, and the row's position."""
        clusters = self.output.size
        density_BK, square_BK, position_BD = out[:, 1:].float().tensor_split((clusters, 2 * clusters), dim=1)
        return {
            "probabilities": density_BK.softmax(1),
            "distances": square_BK.clamp(min=0).sqrt(),
            "position": position_BD,
        }

    def outcome(self, answers: Mapping[str, np.ndarray], target: np.ndarray) -> Outcome:
        """Lay probabilities beside the hidden classes, -1 where there are none."""
        return Outcome(
            "clusters", answers["probabilities"], target, self.labels, positions=np.asarray(answers["position"])
        )

    def decode(self, answers: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return `cluster` from 0, its `probability` and `distance` and, up to 100 clusters, `probability_<k>` each."""
        probabilities, distances = np.asarray(answers["probabilities"]), np.asarray(answers["distances"])
        rows, best = np.arange(len(probabilities)), probabilities.argmax(1)
        columns: dict[str, Any] = {
            "cluster": best,
            "probability": probabilities[rows, best],
            "distance": distances[rows, best],
        }
        if probabilities.shape[1] <= MAX_PROBABILITY_COLUMNS:
            columns |= {f"probability_{k}": probabilities[:, k] for k in range(probabilities.shape[1])}
        return columns
