"""What a network says in conversations, where a metric of texts is asked for: replies beside those that were given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw.fields._base import Conversations
from dlw.progress import Listener
from dlw.shards import loaded
from dlw.specs import Outcome
from dlw.verbs._writing import WRITTEN, Scribe

if TYPE_CHECKING:
    import pyarrow as pa

    from dlw.verbs._trained import Trained

FILE = "replies.parquet"
KIND = "texts"
MOST = 256
"""Conversations that are answered at most: a small network takes one CPU core about a fifth of a second for each."""


@dataclass(frozen=True)
class Replies:
    """Replies to what was said before the assistant's last turn, in some rows, int64 [N], of a table.

    `metrics` are those that read the outcome, `among` is how many rows could have been answered.
    """

    metrics: Mapping[str, ModuleType] = field(default_factory=dict)
    outcome: Outcome = field(default_factory=lambda: Outcome(KIND, np.zeros(0, object), np.zeros(0, object)))
    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    among: int = 0

    def protocol(self, trained: Trained) -> tuple[str, ...]:
        """Say what was answered, and how."""
        if not self.metrics:
            return ()
        options = trained.task.writing
        assert options is not None
        return (
            "replies: to what was said before the last turn of the assistant, beside what it said there, in "
            f"{len(self.rows):,} of {self.among:,} conversations with such a turn, evenly spaced; "
            f"{options.told()}",
        )


def replies(
    trained: Trained, table: pa.Table, metrics: Mapping[str, ModuleType], judged: str, listener: Listener
) -> Replies:
    """Answer conversations of a table for those of the metrics that read texts and not the kind that is `judged`.

    Nothing is written where there are none, or where the network does not hold conversations.
    """
    asked = {name: module for name, module in metrics.items() if judged not in module.KINDS and KIND in module.KINDS}
    name = trained.fitted.own_target
    fields = [column.field for column in trained.fitted.columns if column.name == name]
    if not asked or not fields or not isinstance(fields[0], Conversations):
        return Replies()
    found = fields[0].last_replies(loaded(table.select([name]))[name])
    if not found:
        return Replies(asked)
    kept = [found[place] for place in np.unique(np.linspace(0, len(found) - 1, MOST).round().astype(int))]
    texts = _answered(trained, str(name), [one.before for one in kept], listener)
    said = np.array([one.said for one in kept], object)
    return Replies(asked, Outcome(KIND, np.array(texts, object), said), np.array([one.row for one in kept]), len(found))


def _answered(trained: Trained, name: str, asked: list[list[dict[str, str]]], listener: Listener) -> list[str]:
    import pyarrow as pa

    from dlw.engine.writing import NetworkWriter

    table = pa.table({name: pa.array(asked)})
    encoded = trained.fitted.prompted.encode(table, with_target=False, listener=listener)
    scribe = Scribe(trained.task, trained.fitted, NetworkWriter(trained.predictor.network))
    return scribe.texts(encoded.arrays, lambda done, total: listener.progress("written", done, total, {}))


def to_bytes(found: Replies) -> bytes:
    """Return the replies as a Parquet file, one row each."""
    from dlw.verbs._tables import table_bytes

    columns: dict[str, Any] = {"row": found.rows, "truth": found.outcome.target, WRITTEN: found.outcome.prediction}
    return table_bytes(columns, ".parquet")
