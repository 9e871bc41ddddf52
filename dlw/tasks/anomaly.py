"""How strange a row is: learned from normal rows only, judged by how badly the network explains it.

The target's labels are used to leave strange rows out of training and to score: every label that training does not hold
is strange. A row is called an anomaly above a threshold, a quantile of the normal validation rows' scores.
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
    from PIL.Image import Image
    from torch import Tensor

TARGETS = {"category": ("scores",)}
OUTPUT = "error"
KEEPS_UNSEEN = True

WORST_SHARE = 0.01
"""Places that `score: top` looks at."""


class Settings(TaskSettings):
    """Options of the task `anomaly`."""

    normal: list[str] | None = Field(
        None,
        min_length=1,
        description="Labels of the rows to learn from, others are left out of training; default: every label there.",
    )
    score: Literal["mean", "top", "max"] = Field(
        "mean", description="How the errors of a row's parts become its score; top: mean of the worst hundredth."
    )
    smooth: int = Field(
        1, ge=1, le=255, description="Side of the square that errors are averaged over first; odd, in parts of the map."
    )
    quantile: float = Field(
        0.95, gt=0, lt=1, description="Share of the normal validation rows that lie below the threshold."
    )
    threshold: float | None = Field(
        None, ge=0, description="Score above which a row is an anomaly; default: by `quantile`."
    )

    @model_validator(mode="after")
    def _check(self) -> Settings:
        if self.smooth % 2 == 0:
            raise ValueError("smooth must be odd, so that its square has a middle")
        return self


def learns_from(settings: Settings, label: str) -> bool:
    """Say whether training rows of a label are kept."""
    return settings.normal is None or label in settings.normal


def build(settings: Settings, target: FieldSpec) -> AnomalyTask:
    """Bind the task to its target; DataError where it is no single category column, or a normal label has no row."""
    if len(target.sizes) != 1:
        raise DataError(f"task: anomaly reads one category column as label, got {', '.join(target.columns)}")
    known = [target.labels[place] for place in _normal_ids(target)]
    missing = [label for label in settings.normal or () if label not in known]
    if missing:
        raise DataError(f"task: normal: no training row of {target.columns[0]} is {', '.join(map(repr, missing))}")
    return AnomalyTask(settings, target)


class AnomalyTask(Task):
    """One score per row. Answers {"score": [B], "heat_map": [B, h, w]}, both above 0, high where strange."""

    def __init__(self, settings: Settings, target: FieldSpec) -> None:
        self.settings = settings
        self.normal_ids = _normal_ids(target)
        self.output = OutputSpec("error", 1)
        self.monitor = "loss"
        self.metrics: tuple[str, ...] = ("auroc", "average_precision")

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Return the mean error of each normal row [B] from [B, 1, h, w]; strange rows count nothing."""
        is_normal = sum(target == place for place in self.normal_ids)
        return out.float().mean((1, 2, 3)) * is_normal

    def activate(self, out: Tensor) -> dict[str, Tensor]:
        """Return scores [B] and the smoothed errors [B, h, w]."""
        from torch.nn import functional as F

        error = out.float()
        if self.settings.smooth > 1:
            side = self.settings.smooth
            error = F.avg_pool2d(error, side, stride=1, padding=side // 2, count_include_pad=False)
        parts = error.flatten(1)
        if self.settings.score == "mean":
            score = parts.mean(1)
        else:
            count = 1 if self.settings.score == "max" else max(1, round(parts.shape[1] * WORST_SHARE))
            score = parts.topk(count, dim=1).values.mean(1)
        return {"score": score, "heat_map": error[:, 0]}

    def condense(self, answers: Arrays) -> Arrays:
        """Keep the heat maps at half the precision: they are only drawn."""
        heat_map = np.minimum(answers["heat_map"], np.finfo(np.float16).max)
        return {"score": answers["score"], "heat_map": heat_map.astype(np.float16)}

    def outcome(self, answers: Mapping[str, np.ndarray], target: np.ndarray) -> Outcome:
        """Lay scores beside whether a row's label is strange."""
        is_strange = (~np.isin(target, self.normal_ids)).astype(np.int64)
        return Outcome("scores", np.asarray(answers["score"], np.float64), is_strange)

    def calibrate(self, outcome: Outcome) -> dict[str, float | dict[str, float]]:
        """Return the threshold: a quantile of the normal rows' scores."""
        normal = outcome.prediction[outcome.target == 0]
        return {"threshold": float(np.quantile(normal, self.settings.quantile))} if len(normal) else {}

    def decode(self, answers: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return `score` and, once there is a threshold, `is_anomaly`."""
        score = np.asarray(answers["score"])
        if self.settings.threshold is None:
            return {"score": score}
        return {"score": score, "is_anomaly": score > self.settings.threshold}

    def layers(self, answers: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Return the heat maps [N, h, w]."""
        return np.asarray(answers["heat_map"])

    def draw(self, picture: Image, layer: np.ndarray) -> Image:
        """Return the picture with a heat map over it: full red at twice the threshold, or at the worst place."""
        from dlw.tasks._drawing import heat

        return picture if np.ndim(layer) != 2 else heat(picture, layer, 2 * (self.settings.threshold or 0.0))


def _normal_ids(target: FieldSpec) -> list[int]:
    """Return the ids of labels with training rows; a declared label may have none."""
    counts = target.statistics.get("counts", [[1] * target.sizes[0]])[0]
    return [place for place, count in enumerate(counts) if count]
