"""One label out of many, or several labels at once (target of kind labels, where gaps count nothing).

Two classes are classes like any others: a softmax over two. Of two, the positive class is the rarer one in training
unless `positive` names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from dlw.errors import DataError, did_you_mean
from dlw.specs import FieldSpec, Outcome, OutputSpec
from dlw.tasks._base import Task, TaskSettings

if TYPE_CHECKING:
    from torch import Tensor

TARGETS = {"category": ("classes",), "labels": ("labels",)}
OUTPUT = "vector"

MAX_PROBABILITY_COLUMNS = 100
"""With more classes than this, predictions hold `label` and `probability` only."""

Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Settings(TaskSettings):
    """Options of the task `classification`."""

    class_weights: Literal["balanced"] | dict[str, Weight] | None = Field(
        None,
        description="Weight of each label in the loss: `balanced` (one over its frequency) or a mapping of label to "
        "weight, others 1; scaled so that the average training row weighs 1. For several labels at once the weight "
        "falls on the rows that have the label.",
    )
    focal_gamma: float = Field(0.0, ge=0, le=10, description="Focus on hard rows (focal loss); 0 is cross-entropy.")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="Share of the target spread over all classes.")
    positive: str | None = Field(None, description="Of two labels, the one that is looked for; default: the rarer.")


def build(settings: Settings, target: FieldSpec) -> ClassTask | LabelsTask:
    """Bind the task to its target; raises DataError where settings name labels that are not there."""
    named = [*(settings.class_weights if isinstance(settings.class_weights, dict) else ()), settings.positive]
    for name in named:
        if name is not None and name not in target.labels:
            raise DataError(
                f"task: {target.columns[0] if target.columns else 'target'} has no label {name!r}"
                f"{did_you_mean(name, target.labels)} (it has {', '.join(target.labels[:20])})"
            )
    if settings.positive is not None and (target.kind != "category" or len(target.labels) != 2):
        raise DataError(f"task: positive: chooses one of two classes, and there are {len(target.labels)} labels")
    if settings.class_weights is not None and "counts" not in target.statistics:
        raise DataError("task: class_weights needs the number of training rows per label, which this target lacks")
    if target.kind == "labels":
        return LabelsTask(settings, target)
    if len(target.sizes) != 1:
        raise DataError(f"task: classification learns one category column, got {', '.join(target.columns)}")
    return ClassTask(settings, target)


class ClassTask(Task):
    """One label per row: softmax. Answers {"probabilities": [B, K]}."""

    def __init__(self, settings: Settings, target: FieldSpec) -> None:
        self.labels = target.labels
        self.settings = settings
        self.counts = np.asarray(target.statistics.get("counts", [np.ones(target.sizes[0])])[0], np.float64)
        self.output = OutputSpec("vector", target.sizes[0])
        self.monitor = "accuracy"
        self.metrics: tuple[str, ...] = ("accuracy", "balanced_accuracy", "f1_macro", "log_loss", "ece")
        if len(self.labels) == 2:
            self.metrics = ("accuracy", "balanced_accuracy", "auroc", "average_precision", "f1", "log_loss", "ece")
        self._weight = _class_weight(settings, self.labels, self.counts)
        self._on_device: dict[Any, Tensor] = {}

    @property
    def positive(self) -> int:
        """The id of the positive class: as set, else the label with fewer training rows (of a tie, the second)."""
        if self.settings.positive is not None:
            return self.labels.index(self.settings.positive)
        return int(len(self.counts) - 1 - np.argmin(self.counts[::-1]))

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Return each row's loss [B] from logits [B, K] and class ids int64 [B]."""
        from dlw.tasks._losses import cross_entropy

        weight = _tensor_on(self._weight, out, self._on_device)
        chosen = self.settings
        return cross_entropy(out, target, smoothing=chosen.label_smoothing, gamma=chosen.focal_gamma, weight_K=weight)

    def activate(self, out: Tensor) -> dict[str, Tensor]:
        """Return probabilities [B, K]."""
        return {"probabilities": out.float().softmax(-1)}

    def outcome(self, answers: Mapping[str, np.ndarray], target: np.ndarray) -> Outcome:
        """Lay probabilities beside class ids."""
        return Outcome("classes", answers["probabilities"], target, self.labels, positive=self.positive)

    def decode(self, answers: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return `label`, `probability` and, up to 100 classes, `probability_<label>` each."""
        probabilities = np.asarray(answers["probabilities"])
        best = probabilities.argmax(1)
        columns: dict[str, Any] = {
            "label": [self.labels[index] for index in best.tolist()],
            "probability": probabilities.max(1),
        }
        if len(self.labels) <= MAX_PROBABILITY_COLUMNS:
            columns |= {f"probability_{label}": probabilities[:, k] for k, label in enumerate(self.labels)}
        return columns


class LabelsTask(Task):
    """Any number of labels per row: one sigmoid each. Answers {"probabilities": [B, L]}."""

    def __init__(self, settings: Settings, target: FieldSpec) -> None:
        self.labels = target.labels
        self.settings = settings
        self.counts = np.asarray(target.statistics.get("counts", [[1.0, 1.0, 0.0]] * len(self.labels)), np.float64)
        self.output = OutputSpec("vector", len(self.labels))
        self.monitor = "auroc"
        self.metrics: tuple[str, ...] = ("auroc", "average_precision", "f1_macro", "log_loss")
        self._weight = _label_weight(settings, self.labels, self.counts)
        self._known_per_row = max(float(self.counts[:, :2].sum() / max(self.counts[0].sum(), 1.0)), 1e-6)
        self._on_device: dict[Any, Tensor] = {}

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Return each row's loss [B] from logits [B, L] and int8 [B, L] (1 yes, 0 no, -1 not known)."""
        from dlw.tasks._losses import binary_cross_entropy

        return binary_cross_entropy(
            out,
            target,
            smoothing=self.settings.label_smoothing,
            gamma=self.settings.focal_gamma,
            weight_2L=_tensor_on(self._weight, out, self._on_device),
            known_per_row=self._known_per_row,
        )

    def activate(self, out: Tensor) -> dict[str, Tensor]:
        """Return one probability per label [B, L]."""
        return {"probabilities": out.float().sigmoid()}

    def outcome(self, answers: Mapping[str, np.ndarray], target: np.ndarray) -> Outcome:
        """Lay probabilities beside the labels."""
        return Outcome("labels", answers["probabilities"], target, self.labels)

    def decode(self, answers: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return `probability_<label>` for each label."""
        probabilities = np.asarray(answers["probabilities"])
        return {f"probability_{label}": probabilities[:, k] for k, label in enumerate(self.labels)}


def _class_weight(settings: Settings, labels: tuple[str, ...], counts_K: np.ndarray) -> np.ndarray | None:
    if settings.class_weights is None:
        return None
    if settings.class_weights == "balanced":
        weight_K = 1.0 / np.maximum(counts_K, 1.0)
    else:
        weight_K = np.array([settings.class_weights.get(label, 1.0) for label in labels])
    return np.asarray(weight_K * counts_K.sum() / (weight_K * counts_K).sum(), np.float32)


def _label_weight(settings: Settings, labels: tuple[str, ...], counts_L3: np.ndarray) -> np.ndarray | None:
    if settings.class_weights is None:
        return None
    no_L, yes_L = np.maximum(counts_L3[:, 0], 1.0), np.maximum(counts_L3[:, 1], 1.0)
    if settings.class_weights == "balanced":
        weight_2L = np.stack([1.0 / no_L, 1.0 / yes_L])
    else:
        yes_weight_L = np.array([settings.class_weights.get(label, 1.0) for label in labels])
        weight_2L = np.stack([np.ones_like(yes_weight_L), yes_weight_L])
    return np.asarray(weight_2L * (no_L + yes_L) / (weight_2L * np.stack([no_L, yes_L])).sum(0), np.float32)


def _tensor_on(values: np.ndarray | None, like: Tensor, kept: dict[Any, Tensor]) -> Tensor | None:
    import torch

    if values is None:
        return None
    if like.device not in kept:
        with torch.inference_mode(False):  # made in validation, used in training
            kept[like.device] = torch.tensor(values, device=like.device)
    return kept[like.device]
