"""What somebody takes next: every item scored, the best ones answered, those already taken left out.

The target is a column of the field `following`. Ratings are numbers: learn them with the task regression.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from dlw.errors import DataError
from dlw.ragged import lengths
from dlw.specs import LOWEST, Arrays, FieldSpec, Outcome, OutputSpec
from dlw.tasks._base import Task, TaskSettings

if TYPE_CHECKING:
    from torch import Tensor

TARGETS = {"tokens": ("ranking",)}
OUTPUT = "items"
KEPT = 100
"""Items of a ranking that are kept: an item behind them counts as not found."""


class Settings(TaskSettings):
    """Options of the task `recommendation`."""

    top: int = Field(10, ge=1, le=KEPT, description="Items that a prediction names.")
    exclude_seen: bool = Field(True, description="Never answer with items of the history.")


def build(settings: Settings, target: FieldSpec) -> RecommendationTask:
    """Bind the task to its target; DataError where it is no column of items."""
    if "counts" not in target.statistics or len(target.labels) < 2:
        raise DataError("task: recommendation answers with items: the target must be of the type following")
    return RecommendationTask(settings, target)


class RecommendationTask(Task):
    """Scores of all items. Answers {"scores": [B, K]}, condensed to the best {"items", "scores"} [B, KEPT]."""

    def __init__(self, settings: Settings, target: FieldSpec) -> None:
        self.settings = settings
        self.labels = target.labels
        self.titles = target.statistics["titles"][0]
        self.counts = tuple(target.statistics["counts"][0])
        share = np.maximum(np.asarray(self.counts, np.float64), 0.5) / max(sum(self.counts), 1)
        self.output = OutputSpec(
            "items", len(self.labels), start=tuple(np.log(share).tolist()), is_new_only=settings.exclude_seen
        )
        self.monitor = "ndcg_at_10"
        self.metrics: tuple[str, ...] = ("ndcg_at_10", "hit_rate_at_10", "mrr", "item_coverage", "novelty")

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Return each row's loss [B]: cross-entropy over all items (Klenitskiy and Vasilev 2023, arXiv:2309.07602).

        From [B, T, K], averaged over the steps of the batch; from [B, K], of the last item of the target [B, S] alone.
        """
        from dlw.tasks._losses import items_loss

        return items_loss(out, target)

    def counted(self, out: Tensor, target: Tensor) -> Tensor:
        """Return the number of items that are learned."""
        from dlw.tasks._losses import is_learned

        return is_learned(out, target)[0].sum()

    def activate(self, out: Tensor) -> dict[str, Tensor]:
        """Return the scores as they are."""
        return {"scores": out}

    def condense(self, answers: Arrays) -> Arrays:
        """Keep the best items in order, equal scores by place; -1 where nothing more may be answered."""
        score_NK = np.asarray(answers["scores"], np.float32)
        order_NR = np.argsort(-score_NK, axis=1, kind="stable")[:, :KEPT]
        best_NR = np.take_along_axis(score_NK, order_NR, axis=1)
        return {"items": np.where(best_NR > LOWEST / 2, order_NR, -1).astype(np.int32), "scores": best_NR}

    def outcome(self, answers: Mapping[str, np.ndarray], target: np.ndarray) -> Outcome:
        """Lay rankings beside the item that followed, the last of the target."""
        answers = answers if "items" in answers else self.condense(dict(answers))
        last = np.maximum(lengths(target, "tokens") - 1, 0)
        truth = target[np.arange(len(target)), last].astype(np.int64) - 1
        truth = np.where(truth < len(self.labels), truth, -1)
        return Outcome("ranking", answers["items"].astype(np.int64), truth, self.labels, counts=self.counts)

    def decode(self, answers: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return lists of the best items: `items` (ids), `titles` where they have any, and `scores`."""
        answers = answers if "items" in answers else self.condense(dict(answers))
        place_NR, score_NR = (answers[name][:, : self.settings.top] for name in ("items", "scores"))
        found = [row[row >= 0].tolist() for row in place_NR]
        columns = {"items": [[self.labels[place] for place in row] for row in found]}
        if self.titles:
            columns["titles"] = [[self.titles[place] for place in row] for row in found]
        scores = [score[: len(row)].tolist() for row, score in zip(found, score_NR, strict=True)]
        return {**columns, "scores": scores}
