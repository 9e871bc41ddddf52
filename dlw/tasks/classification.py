"""One label out of many, or several labels at once (target of kind labels, where gaps count nothing).

Two classes are classes like any others: a softmax over two. Of two, the positive class is the rarer one in training
unless `positive` names it.

A temperature that makes the probabilities true, and the threshold that costs least, can be found on the validation
split.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from dlw.errors import DataError, did_you_mean
from dlw.specs import FieldSpec, Outcome, OutputSpec
from dlw.tasks._base import Explained, Task, TaskSettings
from dlw.tasks._calibration import TINY, best_temperature, cheapest_threshold, tempered
from dlw.tasks._constants import Constant, like

if TYPE_CHECKING:
    from torch import Tensor

TARGETS = {"category": ("classes",), "labels": ("labels",)}
OUTPUT = "vector"
FOUND_BY = {"threshold": "costs", "temperature": "calibrate"}

LOG_ODDS = "log-odds"
"""What reasons are given for: before the temperature, which divides them all."""
MAX_PROBABILITY_COLUMNS = 100
"""With more classes than this, predictions hold `label` and `probability` only."""

Weight = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Costs(TaskSettings):
    """What wrong decisions cost; only their ratio decides."""

    false_positive: Weight = Field(1.0, description="Cost of a yes that is wrong.")
    false_negative: Weight = Field(1.0, description="Cost of a no that is wrong.")


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
    costs: Costs | None = Field(
        None,
        description="Cost of each wrong decision for the positive of two labels, or for each of several at once: the "
        "threshold of the lowest cost on the validation split decides.",
    )
    threshold: Share | dict[str, Share] | None = Field(
        None,
        description="Probability from which on the answer is the positive of two labels, or yes; of several labels at "
        "once also a mapping, others 0.5. Default: the more probable answer.",
    )
    calibrate: Literal["temperature"] | None = Field(
        None,
        description="temperature: divide the logits by a number, found by the least log loss on the validation split "
        "(arXiv:1706.04599), so that of answers given with 80 % four in five are right.",
    )
    temperature: float | None = Field(None, gt=0, le=100, description="Divide the logits by this; default: 1.")


def build(settings: Settings, target: FieldSpec) -> ClassTask | LabelsTask:
    """Bind the task to its target; raises DataError where settings name labels that are not there."""
    by_label = [each for each in (settings.class_weights, settings.threshold) if isinstance(each, dict)]
    for name in [*(name for each in by_label for name in each), settings.positive]:
        if name is not None and name not in target.labels:
            raise DataError(
                f"task: {target.columns[0] if target.columns else 'target'} has no label {name!r}"
                f"{did_you_mean(name, target.labels)} (it has {', '.join(target.labels[:20])})"
            )
    if settings.positive is not None and (target.kind != "category" or len(target.labels) != 2):
        raise DataError(f"task: positive: chooses one of two classes, and there are {len(target.labels)} labels")
    if target.kind == "category" and (settings.threshold is not None or settings.costs is not None):
        if len(target.labels) != 2:
            raise DataError(
                "task: threshold and costs: decide for or against one of two classes, or for each of several labels, "
                f"and there are {len(target.labels)} classes"
            )
        if isinstance(settings.threshold, dict):
            raise DataError("task: threshold: of two classes there is one threshold; write a number")
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
        self.metrics += ("mean_cost",) if settings.costs else ()
        self._weight = _class_weight(settings, self.labels, self.counts)

    @property
    def positive(self) -> int:
        """The id of the positive class: as set, else the label with fewer training rows (of a tie, the second)."""
        if self.settings.positive is not None:
            return self.labels.index(self.settings.positive)
        return int(len(self.counts) - 1 - np.argmin(self.counts[::-1]))

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Return each row's loss [B] from logits [B, K] and class ids int64 [B]."""
        from dlw.tasks._losses import cross_entropy

        weight = like(self._weight, out)
        chosen = self.settings
        return cross_entropy(out, target, smoothing=chosen.label_smoothing, gamma=chosen.focal_gamma, weight_K=weight)

    def activate(self, out: Tensor) -> dict[str, Tensor]:
        """Return probabilities [B, K]."""
        return {"probabilities": out.float().softmax(-1)}

    def conclude(self, answers: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return probabilities at the temperature."""
        if self.settings.temperature is None:
            return answers
        log_p_BK = answers["probabilities"].clamp(min=TINY).log()
        return {"probabilities": (log_p_BK / self.settings.temperature).softmax(-1)}

    def outcome(self, answers: Mapping[str, np.ndarray], target: np.ndarray) -> Outcome:
        """Lay probabilities beside class ids."""
        return Outcome(
            "classes",
            answers["probabilities"],
            target,
            self.labels,
            positive=self.positive,
            thresholds=_thresholds(self.settings.threshold, (self.labels[self.positive],)),
            costs=_costs(self.settings),
        )

    @property
    def explained(self) -> Explained:
        """Each class has its log-odds, which go on to rise where a probability has come near 1."""
        return Explained(self.labels, LOG_ODDS, is_choice=True)

    def score(self, out: Tensor, place: int) -> Tensor:
        """Return log p - log(1 - p) of a class [B]: its logit less the soft maximum of the others."""
        import torch

        others = torch.cat([out[:, :place], out[:, place + 1 :]], dim=1)
        return out[:, place].float() - others.float().logsumexp(1)

    def calibrate(self, outcome: Outcome) -> Found:
        """Return the temperature and the threshold that are asked for."""
        found, outcome = _find_temperature(self.settings, outcome)
        if self.settings.costs is not None:
            is_yes = outcome.target == self.positive
            found["threshold"] = cheapest_threshold(outcome.prediction[:, self.positive], is_yes, *outcome.costs)
        return found

    def decide_alike(self, outcome: Outcome, validation: Outcome) -> Outcome:
        """Return another predictor's outcome at the temperature and the threshold that are best for it."""
        return _applied(self.calibrate(validation), outcome, (self.labels[self.positive],))

    def decode(self, answers: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return `label`, its `probability` and, up to 100 classes, `probability_<label>` each."""
        probabilities = np.asarray(answers["probabilities"])
        said = self.outcome(answers, np.zeros(len(probabilities), np.int64)).decision
        columns: dict[str, Any] = {
            "label": [self.labels[index] for index in said.tolist()],
            "probability": probabilities[np.arange(len(said)), said],
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
        self.metrics: tuple[str, ...] = ("auroc", "average_precision", "f1_macro", "log_loss", "ece")
        self.metrics += ("mean_cost",) if settings.costs else ()
        self._weight = _label_weight(settings, self.labels, self.counts)
        self._known_per_row = max(float(self.counts[:, :2].sum() / max(self.counts[0].sum(), 1.0)), 1e-6)

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Return each row's loss [B] from logits [B, L] and int8 [B, L] (1 yes, 0 no, -1 not known)."""
        from dlw.tasks._losses import binary_cross_entropy

        return binary_cross_entropy(
            out,
            target,
            smoothing=self.settings.label_smoothing,
            gamma=self.settings.focal_gamma,
            weight_2L=like(self._weight, out),
            known_per_row=self._known_per_row,
        )

    def activate(self, out: Tensor) -> dict[str, Tensor]:
        """Return one probability per label [B, L]."""
        return {"probabilities": out.float().sigmoid()}

    def conclude(self, answers: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return probabilities at the temperature."""
        if self.settings.temperature is None:
            return answers
        p_BL = answers["probabilities"]
        logits_BL = p_BL.clamp(min=TINY).log() - (1.0 - p_BL).clamp(min=TINY).log()
        return {"probabilities": (logits_BL / self.settings.temperature).sigmoid()}

    def outcome(self, answers: Mapping[str, np.ndarray], target: np.ndarray) -> Outcome:
        """Lay probabilities beside the labels."""
        return Outcome(
            "labels",
            answers["probabilities"],
            target,
            self.labels,
            thresholds=_thresholds(self.settings.threshold, self.labels),
            costs=_costs(self.settings),
        )

    @property
    def explained(self) -> Explained:
        """Each label has its log-odds, which are its logit."""
        return Explained(self.labels, LOG_ODDS, is_choice=True)

    def calibrate(self, outcome: Outcome) -> Found:
        """Return the temperature and the thresholds that are asked for."""
        found, outcome = _find_temperature(self.settings, outcome)
        if self.settings.costs is not None:
            is_known = outcome.target >= 0
            found["threshold"] = {
                label: cheapest_threshold(
                    outcome.prediction[is_known[:, k], k], outcome.target[is_known[:, k], k] > 0, *outcome.costs
                )
                for k, label in enumerate(self.labels)
            }
        return found

    def decide_alike(self, outcome: Outcome, validation: Outcome) -> Outcome:
        """Return another predictor's outcome at the temperature and the thresholds that are best for it."""
        return _applied(self.calibrate(validation), outcome, self.labels)

    def decode(self, answers: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return `probability_<label>` for each label and, where there are thresholds, `is_<label>`."""
        probabilities = np.asarray(answers["probabilities"])
        columns = {f"probability_{label}": probabilities[:, k] for k, label in enumerate(self.labels)}
        if self.settings.threshold is None:
            return columns
        is_yes = self.outcome(answers, np.zeros_like(probabilities, np.int8)).decision
        return columns | {f"is_{label}": is_yes[:, k] for k, label in enumerate(self.labels)}


Found = dict[str, float | dict[str, float]]


def _thresholds(given: float | dict[str, float] | None, labels: tuple[str, ...]) -> tuple[float, ...]:
    if given is None:
        return ()
    return tuple(given.get(label, 0.5) if isinstance(given, dict) else given for label in labels)


def _applied(found: Found, outcome: Outcome, labels: tuple[str, ...]) -> Outcome:
    """Return an outcome at a temperature and thresholds, for the labels that there are thresholds for."""
    temperature = found.get("temperature", 1.0)
    assert isinstance(temperature, float)
    prediction = tempered(outcome.prediction, outcome.kind, temperature)
    thresholds = _thresholds(found.get("threshold"), labels) or outcome.thresholds
    return replace(outcome, prediction=prediction, thresholds=thresholds)


def _costs(settings: Settings) -> tuple[float, float]:
    return (settings.costs.false_positive, settings.costs.false_negative) if settings.costs else (1.0, 1.0)


def _find_temperature(settings: Settings, outcome: Outcome) -> tuple[Found, Outcome]:
    """Return the temperature, where it is asked for, and the outcome at it."""
    found: Found = {} if settings.calibrate is None else {"temperature": best_temperature(outcome)}
    return found, _applied(found, outcome, ()) if found else outcome


def _class_weight(settings: Settings, labels: tuple[str, ...], counts_K: np.ndarray) -> Constant | None:
    if settings.class_weights is None:
        return None
    if settings.class_weights == "balanced":
        weight_K = 1.0 / np.maximum(counts_K, 1.0)
    else:
        weight_K = np.array([settings.class_weights.get(label, 1.0) for label in labels])
    return Constant(np.asarray(weight_K * counts_K.sum() / (weight_K * counts_K).sum(), np.float32))


def _label_weight(settings: Settings, labels: tuple[str, ...], counts_L3: np.ndarray) -> Constant | None:
    if settings.class_weights is None:
        return None
    no_L, yes_L = np.maximum(counts_L3[:, 0], 1.0), np.maximum(counts_L3[:, 1], 1.0)
    if settings.class_weights == "balanced":
        weight_2L = np.stack([1.0 / no_L, 1.0 / yes_L])
    else:
        yes_weight_L = np.array([settings.class_weights.get(label, 1.0) for label in labels])
        weight_2L = np.stack([np.ones_like(yes_weight_L), yes_weight_L])
    per_row_L = (weight_2L * np.stack([no_L, yes_L])).sum(0)
    return Constant(np.asarray(weight_2L * (no_L + yes_L) / per_row_L, np.float32))
