"""One split's rows with their truth, on which networks and artifacts are scored alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dlw import registry
from dlw.errors import UsageError
from dlw.metrics._base import value_of
from dlw.progress import Listener
from dlw.specs import TARGET, Arrays, Outcome
from dlw.verbs._answers import answered, encoded_for
from dlw.verbs._judged import laid_out

if TYPE_CHECKING:
    import pyarrow as pa

    from dlw.verbs._bundle import Answerer
    from dlw.verbs._trained import Trained


@dataclass(frozen=True)
class Exam:
    """Encoded rows of a split, the metric that counts, and the outcome of the run's own network."""

    trained: Trained
    split: str
    table: pa.Table
    arrays: Arrays
    metric: str
    network: Outcome

    def outcome(self, artifact: Answerer) -> Outcome:
        """Return the outcome of an artifact of the same run."""
        found = self.trained.task.outcome(artifact.answer_rows(self.arrays), self.arrays[TARGET])
        return laid_out(self.trained, self.split, self.table, found)

    def score(self, outcome: Outcome) -> float:
        """Return the metric of an outcome; NaN where the rows do not define it."""
        return value_of(registry.load("metrics", self.metric), outcome)

    @property
    def is_higher_better(self) -> bool:
        """Whether the metric is a score, not an error."""
        return bool(registry.load("metrics", self.metric).HIGHER_IS_BETTER)


def set_exam(trained: Trained, tables: Mapping[str, pa.Table], split: str, listener: Listener) -> Exam:
    """Encode a split and let the network answer it; UsageError where there is none, or where a network writes."""
    from dlw.verbs._network import headline

    if trained.task.output.is_written:
        raise UsageError(f"task {trained.recipe.task.type} writes step by step: artifacts of it are not scored")
    if split not in tables:
        raise UsageError(f"there is no {split} split (there are {', '.join(tables)}); name one in data.splits")
    encoded = encoded_for(trained, tables[split], listener)
    table = tables[split].take(encoded.rows)
    _, outcome = answered(trained, encoded, tables[split], listener)
    metric = headline(trained.recipe, trained.task)
    return Exam(trained, split, table, encoded.arrays, metric, laid_out(trained, split, table, outcome))


def agreement(one: Outcome, other: Outcome) -> float | None:
    """Return the share of rows (labels, pixels) where both make the same choice; None where answers are no choices."""
    if one.kind in ("classes", "labels"):
        return float(np.mean(one.decision == other.decision))
    if one.kind == "map":
        return float(np.mean(one.prediction == other.prediction))
    if one.kind == "clusters":
        return float(np.mean(one.prediction.argmax(1) == other.prediction.argmax(1)))
    if one.kind == "ranking":
        return float(np.mean(one.prediction[:, 0] == other.prediction[:, 0]))
    if one.kind == "texts":
        return float(np.mean(one.prediction == other.prediction))
    return None
