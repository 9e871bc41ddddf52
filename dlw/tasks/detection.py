"""Objects on pictures: class, box and score of each.

The overlapping answers of neighbouring places are thinned out inside the network's graph, so that every export answers
with finished objects. Evaluation reads every answer from `min_score` on; prediction lists those from `shown_score` on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from dlw.specs import FieldSpec, Outcome, OutputSpec
from dlw.tasks._base import Task, TaskSettings

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

TARGETS = {"boxes": ("boxes",)}
OUTPUT = "points"

LEAST_CANDIDATES, CANDIDATES_PER_OBJECT = 300, 3
"""How many answers are compared for each that is given, before overlapping ones are dropped."""


class Settings(TaskSettings):
    """Options of the task `detection`."""

    max_objects: int = Field(100, ge=1, le=1000, description="Objects answered per picture, the best of all classes.")
    max_overlap: float = Field(
        0.6,
        gt=0,
        lt=1,
        description="Of two objects of a class whose intersection over union is larger, the better one is answered.",
    )
    min_score: float = Field(0.01, ge=0, lt=1, description="Least score of an object that is answered and evaluated.")
    shown_score: float = Field(0.3, ge=0, lt=1, description="Least score of an object that predictions list.")
    places_per_object: int = Field(10, ge=1, le=100, description="Places of the network that learn each object.")
    box_weight: float = Field(2.0, gt=0, le=100, description="Weight of the boxes in the loss; that of classes is 1.")


def build(settings: Settings, target: FieldSpec) -> DetectionTask:
    """Bind the task to its column of boxes."""
    return DetectionTask(settings, target)


class DetectionTask(Task):
    """Objects. Answers {"objects": [B, D, 6]}: class (-1 fills up), left, top, right, bottom, score."""

    def __init__(self, settings: Settings, target: FieldSpec) -> None:
        self.settings = settings
        self.labels = target.labels
        width, height = target.statistics["picture"][0]
        self.picture = (float(width), float(height))
        self.output = OutputSpec("points", len(target.labels))
        self.monitor = "map"
        self.metrics: tuple[str, ...] = ("map", "map50")

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Return each row's loss [B] from places [B, P, 7 + K] and true boxes [B, M, 5]."""
        from dlw.tasks._boxes import losses

        return losses(out, target, top=self.settings.places_per_object, box_weight=self.settings.box_weight)

    def activate(self, out: Tensor) -> dict[str, Tensor]:
        """Return the best objects that lie apart, boxes inside the picture."""
        from dlw.tasks._boxes import best_apart

        chosen = self.settings
        objects = best_apart(
            out.float(),
            self.picture,
            objects=chosen.max_objects,
            candidates=max(LEAST_CANDIDATES, CANDIDATES_PER_OBJECT * chosen.max_objects),
            largest_overlap=chosen.max_overlap,
            least=chosen.min_score,
        )
        return {"objects": objects}

    def outcome(self, answers: Mapping[str, np.ndarray], target: np.ndarray) -> Outcome:
        """Lay objects beside true boxes."""
        return Outcome("boxes", answers["objects"], target, self.labels)

    def decode(self, answers: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return `found`, a summary in words, and `objects`, a list of {category_name, bbox, score}, best first.

        A bbox is left, top, width, height in pixels of the encoded picture.
        """
        objects = [self._objects(row_D6) for row_D6 in np.asarray(answers["objects"])]
        counts = [Counter(one["category_name"] for one in found) for found in objects]
        told = [", ".join(f"{count} {label}" for label, count in sorted(one.items())) for one in counts]
        return {"found": told, "objects": objects}

    def layers(self, answers: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Return the objects [B, D, 6]."""
        return answers["objects"]

    def draw(self, picture: Image, layer: np.ndarray) -> Image:
        """Frame the objects [D, 6] that are listed, or true boxes [M, 5], with their labels."""
        from dlw.tasks._drawing import frame

        if layer.shape[1] == 6:
            layer = self._shown(layer)[::-1]  # the best on top
            texts = [f"{self.labels[int(row[0])]} {row[5]:.2f}" for row in layer]
        else:
            layer = layer[layer[:, 0] >= 0]
            texts = [self.labels[int(row[0])] for row in layer]
        return frame(picture, layer[:, 1:5], layer[:, 0].astype(int).tolist(), texts)

    def _shown(self, row_D6: np.ndarray) -> np.ndarray:
        """Return the objects that are listed, best first."""
        shown_D6 = row_D6[(row_D6[:, 0] >= 0) & (row_D6[:, 5] >= self.settings.shown_score)].astype(np.float64)
        return shown_D6[np.argsort(-shown_D6[:, 5], kind="stable")]

    def _objects(self, row_D6: np.ndarray) -> list[dict[str, Any]]:
        shown_D6 = self._shown(row_D6)
        boxes_D4 = np.concatenate([shown_D6[:, 1:3], shown_D6[:, 3:5] - shown_D6[:, 1:3]], axis=1)
        return [
            {"category_name": self.labels[int(row[0])], "bbox": np.round(box, 2).tolist(), "score": round(row[5], 4)}
            for row, box in zip(shown_D6.tolist(), boxes_D4, strict=True)
        ]
