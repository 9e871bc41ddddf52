"""The class of each pixel: cross-entropy and Dice together; pixels whose class is not known count nothing.

Two classes are classes like any others. Of two, the positive class is the one with fewer training pixels unless
`positive` names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from dlw.errors import DataError, did_you_mean
from dlw.specs import VOID, Arrays, FieldSpec, Outcome, OutputSpec
from dlw.tasks._base import Task, TaskSettings
from dlw.tasks._constants import Constant, like

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

TARGETS = {"mask": ("map",)}
OUTPUT = "map"

MAX_SHARE_COLUMNS = 100
"""With more classes than this, predictions hold the mask only."""

Weight = Annotated[float, Field(gt=0)]


class Settings(TaskSettings):
    """Options of the task `segmentation`."""

    class_weights: Literal["balanced", "root"] | dict[str, Weight] | None = Field(
        None,
        description="Weight of each class in the cross-entropy: `balanced` (one over its share of the pixels), `root` "
        "(one over the square root of it) or a mapping of class to weight, others 1; scaled so that the average "
        "known training pixel weighs 1.",
    )
    dice: float = Field(
        1.0,
        ge=0,
        le=100,
        description="Weight of the Dice loss beside the cross-entropy: one minus the overlap, averaged over "
        "the classes that a picture holds (Milletari et al. 2016, arXiv:1606.04797).",
    )
    positive: str | None = Field(None, description="Of two classes, the one that is looked for; default: the rarer.")
    void_as: str | None = Field(
        None,
        description="Class that pixels of unknown class are learned as, such as the borders of `resize: pad` or of a "
        "moved picture; default: none, the network may answer anything there. Metrics leave them out either way.",
    )


def build(settings: Settings, target: FieldSpec) -> SegmentationTask:
    """Bind the task to its target; raises DataError where settings name classes that are not there."""
    named = [
        *(settings.class_weights if isinstance(settings.class_weights, dict) else ()),
        settings.positive,
        settings.void_as,
    ]
    for name in named:
        if name is not None and name not in target.labels:
            raise DataError(
                f"task: {target.columns[0]} has no class {name!r}{did_you_mean(name, target.labels)} "
                f"(it has {', '.join(target.labels[:20])})"
            )
    if settings.positive is not None and len(target.labels) != 2:
        raise DataError(f"task: positive: chooses one of two classes, and there are {len(target.labels)}")
    return SegmentationTask(settings, target)


class SegmentationTask(Task):
    """One class per pixel: softmax. Answers {"probabilities": [B, K, H, W]}, condensed to {"ids": uint8 [B, H, W]}."""

    def __init__(self, settings: Settings, target: FieldSpec) -> None:
        self.labels = target.labels
        self.settings = settings
        self.counts = np.asarray(target.statistics["counts"][0], np.float64)
        self.output = OutputSpec("map", len(self.labels))
        self.monitor = "mean_iou"
        self.metrics: tuple[str, ...] = ("mean_iou", "dice", "pixel_accuracy")
        self._weight = _class_weight(settings, self.labels, self.counts)

    @property
    def positive(self) -> int:
        """The id of the positive class: as set, else the class with fewer training pixels (of a tie, the second)."""
        if self.settings.positive is not None:
            return self.labels.index(self.settings.positive)
        return int(len(self.counts) - 1 - np.argmin(self.counts[::-1])) if len(self.labels) == 2 else 1

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Return each row's loss [B] from logits [B, K, H, W] and class ids uint8 [B, H, W]."""
        import torch

        from dlw.tasks._maps import pixel_loss

        if self.settings.void_as is not None:
            target = torch.where(target == VOID, self.labels.index(self.settings.void_as), target)
        return pixel_loss(out, target, dice=self.settings.dice, weight_K=like(self._weight, out))

    def activate(self, out: Tensor) -> dict[str, Tensor]:
        """Return probabilities [B, K, H, W]."""
        return {"probabilities": out.float().softmax(1)}

    def condense(self, answers: Arrays) -> Arrays:
        """Keep the most probable class of each pixel."""
        return {"ids": _ids(answers)}

    def outcome(self, answers: Mapping[str, np.ndarray], target: np.ndarray) -> Outcome:
        """Lay class ids beside class ids."""
        return Outcome("map", _ids(answers), target, self.labels, positive=self.positive)

    def decode(self, answers: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return `mask`, a PNG file with a class id in each pixel, and `share_<class>` of the pixels for each class."""
        from dlw.tasks._drawing import png_of_ids

        ids_BHW = _ids(answers)
        columns: dict[str, Any] = {"mask": [{"bytes": png_of_ids(ids_HW), "path": None} for ids_HW in ids_BHW]}
        if len(self.labels) <= MAX_SHARE_COLUMNS:
            columns |= {f"share_{label}": (ids_BHW == k).mean((1, 2)) for k, label in enumerate(self.labels)}
        return columns

    def layers(self, answers: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return class ids [B, H, W]."""
        return _ids(answers)

    def draw(self, picture: Image, layer: np.ndarray) -> Image:
        """Lay each class's colour over the picture; of two classes, the positive one's alone."""
        from dlw.tasks._drawing import tint

        return tint(picture, layer, 1 - self.positive if len(self.labels) == 2 else None)


def _ids(answers: Mapping[str, np.ndarray]) -> np.ndarray:
    return answers["ids"] if "ids" in answers else answers["probabilities"].argmax(1).astype(np.uint8)


def _class_weight(settings: Settings, labels: tuple[str, ...], counts_K: np.ndarray) -> Constant | None:
    if settings.class_weights is None:
        return None
    if isinstance(settings.class_weights, dict):
        weight_K = np.array([settings.class_weights.get(label, 1.0) for label in labels])
    else:
        weight_K = np.maximum(counts_K, 1.0) ** (-1.0 if settings.class_weights == "balanced" else -0.5)
    return Constant(np.asarray(weight_K * counts_K.sum() / (weight_K * counts_K).sum(), np.float32))
