"""How wrong the answer to each row is: one function per Outcome kind, to find the rows that are worth looking at.

Not a metric: only the order counts. Rows that are right, or of which nothing is known, have no positive badness.
Shape legend: N rows, D objects, L labels, T targets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from dlw.metrics._box_matches import matches
from dlw.metrics._edits import distance
from dlw.metrics._items import places
from dlw.metrics._neighbours import by_row, is_nearest_right
from dlw.metrics._values import error, row_mean
from dlw.specs import VOID, Outcome

CERTAIN = 0.5
"""Score from which on an object without a true box counts as a mistake."""
OVERLAP = 0.5
LONGEST = 600
"""Characters of a text that are compared: the distance takes the product of both lengths."""


def badness(outcome: Outcome) -> np.ndarray | None:
    """Return how wrong each row is, float64 [N]; None for kinds that have no order of mistakes."""
    measure = _MEASURES.get(outcome.kind)
    return None if measure is None else np.asarray(measure(outcome), np.float64)


def _classes(outcome: Outcome) -> np.ndarray:
    truth = outcome.prediction[np.arange(len(outcome.target)), outcome.target].astype(np.float64)
    return np.where(outcome.decision != outcome.target, 1.0 - truth, -1.0)


def _labels(outcome: Outcome) -> np.ndarray:
    is_wrong = (outcome.target >= 0) & (outcome.decision != (outcome.target == 1))
    distance_NL = np.abs(outcome.prediction.astype(np.float64) - outcome.target)
    return np.where(is_wrong, distance_NL, -1.0).max(1)


def _values(outcome: Outcome) -> np.ndarray:
    spread_T = np.maximum(outcome.target.std(0), 1e-12)
    return np.asarray((np.abs(outcome.prediction - outcome.target) / spread_T).max(1))


def _quantiles(outcome: Outcome) -> np.ndarray:
    outside_NT = np.maximum(outcome.prediction[..., 0] - outcome.target, outcome.target - outcome.prediction[..., -1])
    return (outside_NT / np.maximum(outcome.target.std(0), 1e-12)).max(1)


def _map(outcome: Outcome) -> np.ndarray:
    is_known = outcome.target != VOID
    is_wrong = (outcome.prediction != outcome.target) & is_known
    return np.asarray(is_wrong.sum((1, 2)) / np.maximum(is_known.sum((1, 2)), 1))


def _boxes(outcome: Outcome) -> np.ndarray:
    """Return true boxes that nothing finds and certain objects that find no box, together."""
    missed_N = (outcome.target[..., 0] >= 0).sum(1)
    score_ND = np.where(outcome.prediction[..., 0] >= 0, outcome.prediction[..., 5], 0.0)
    invented_N = (score_ND >= CERTAIN).sum(1)
    sure = _without_doubtful(outcome)
    for found in matches(sure, np.array([OVERLAP])):
        hits_N = np.bincount(found.picture[found.is_hit[0]], minlength=len(missed_N))
        missed_N = missed_N - hits_N
        invented_N = invented_N - hits_N
    return (missed_N + invented_N).astype(np.float64)


def _without_doubtful(outcome: Outcome) -> Outcome:
    objects = outcome.prediction.copy()
    objects[objects[..., 5] < CERTAIN, 0] = -1
    return replace(outcome, prediction=objects)


def _scores(outcome: Outcome) -> np.ndarray:
    """Return how far a row stands on the wrong side: its share of rows of the other kind, by rank."""
    rank_N = outcome.prediction.argsort(kind="stable").argsort(kind="stable") / max(1, len(outcome.target) - 1)
    return np.where(outcome.target == 1, 1.0 - rank_N, rank_N)


def _forecast(outcome: Outcome) -> np.ndarray:
    return row_mean(np.abs(error(outcome)))


def _ranking(outcome: Outcome) -> np.ndarray:
    return np.minimum(places(outcome), outcome.prediction.shape[1])


def _nats(outcome: Outcome) -> np.ndarray:
    return np.asarray(outcome.prediction / np.maximum(outcome.target[:, 0], 1))


def _texts(outcome: Outcome) -> np.ndarray:
    pairs = [(str(a)[:LONGEST], str(b)[:LONGEST]) for a, b in zip(outcome.prediction, outcome.target, strict=True)]
    return np.array([distance(said, truth) / max(1, len(truth)) for said, truth in pairs])


def _vectors(outcome: Outcome) -> np.ndarray:
    """Return 1 + the cosine of the nearest row where that is of another class."""
    wrong = by_row(outcome, lambda near, is_same: np.where(is_nearest_right(near, is_same), -1.0, 1 + near.max(1)))
    return np.where(np.isnan(wrong), -1.0, wrong)


_MEASURES: Mapping[str, Callable[[Outcome], np.ndarray]] = {
    "classes": _classes,
    "labels": _labels,
    "values": _values,
    "quantiles": _quantiles,
    "map": _map,
    "boxes": _boxes,
    "scores": _scores,
    "forecast": _forecast,
    "forecast_quantiles": _forecast,
    "ranking": _ranking,
    "nats": _nats,
    "texts": _texts,
    "vectors": _vectors,
}
