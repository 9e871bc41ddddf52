"""Whether an artifact of smaller numbers may stand for the network: it is judged on validation rows, or refused.

Ranges are learned from training rows, the verdict falls on validation rows: the test split stays unseen.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from dlw.errors import RunError
from dlw.progress import Listener, Silent
from dlw.ragged import trimmed
from dlw.specs import TARGET, Arrays, ragged_kinds
from dlw.verbs._answer_speed import random_rows
from dlw.verbs._exam import agreement, set_exam

if TYPE_CHECKING:
    import pyarrow as pa

    from dlw.verbs._bundle import Answerer
    from dlw.verbs._trained import Trained

PIECE_ROWS = 32
SPEED_ROWS = 64
SPEED_SECONDS, FEWEST_TURNS = 1.0, 5


class Limits(Protocol):
    """The part of an exporter's options that the verdict reads."""

    type: str
    rows: int
    max_score_loss: float
    min_agreement: float
    min_speedup: float | None


@dataclass(frozen=True)
class Verdict:
    """What the smaller numbers cost and gain; kept in parity.json."""

    type: str
    calibration_rows: int
    rows: int
    """Of the validation split."""
    metric: str
    network: float
    artifact: float
    score_loss: float
    """In `unit`; below 0 where the artifact is better."""
    unit: str
    max_score_loss: float
    agreement: float | None
    min_agreement: float
    speedup: float
    """Time of the float artifact over that of this one, 64 made-up rows on one thread."""
    min_speedup: float | None

    def __str__(self) -> str:
        alike = "" if self.agreement is None else f", the same answer in {self.agreement:.2%} of rows"
        return (
            f"{self.type}: {self.metric} {self.artifact:.4g} where the network has {self.network:.4g} on "
            f"{self.rows:,} validation rows (loses {self.score_loss:.2g} {self.unit}){alike}, "
            f"{self.speedup:.2g} times as fast as float32"
        )

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able mapping."""
        return asdict(self)


def calibration(trained: Trained, tables: Mapping[str, pa.Table], count: int) -> Iterator[Arrays]:
    """Yield the input arrays of training rows spread over the split, a few at a time."""
    table = tables["train"]
    places = np.unique(np.linspace(0, len(table) - 1, count).astype(np.int64))
    encoded = trained.fitted.encode(table.take(places), with_target=False, listener=Silent(), max_bad=None)
    for start in range(0, len(encoded.rows), PIECE_ROWS):
        piece = {name: array[start : start + PIECE_ROWS] for name, array in encoded.arrays.items() if name != TARGET}
        yield trimmed(piece, ragged_kinds(trained.fitted.inputs))


def judge(
    trained: Trained,
    tables: Mapping[str, pa.Table],
    plain: Answerer,
    small: Answerer,
    limits: Limits,
    listener: Listener,
) -> Verdict:
    """Return what the artifact `small` costs and gains beside the float one; RunError with the figures if too much
    or too little."""
    exam = set_exam(trained, tables, "validation", listener)
    outcome = exam.outcome(small)
    network, artifact = exam.score(exam.network), exam.score(outcome)
    if not (math.isfinite(network) and math.isfinite(artifact)):
        raise RunError(
            f"the validation rows do not define {exam.metric} (network {network:g}, {limits.type} {artifact:g}): "
            "nothing shows what smaller numbers cost; nothing is written"
        )
    verdict = Verdict(
        type=limits.type,
        calibration_rows=limits.rows,
        rows=len(exam.table),
        metric=exam.metric,
        network=network,
        artifact=artifact,
        score_loss=_lost(network, artifact, exam.is_higher_better),
        unit="points" if exam.is_higher_better else "percent",
        max_score_loss=limits.max_score_loss,
        agreement=agreement(exam.network, outcome),
        min_agreement=limits.min_agreement,
        speedup=speedup(plain, small),
        min_speedup=limits.min_speedup,
    )
    _refuse(verdict)
    return verdict


def _lost(network: float, artifact: float, is_higher_better: bool) -> float:
    """Points of a score, percent of an error: scores have one scale, errors that of the data."""
    if is_higher_better:
        return 100 * (network - artifact)
    return 100 * (artifact - network) / max(abs(network), 1e-12)


def _refuse(verdict: Verdict) -> None:
    wrong = []
    if verdict.score_loss > verdict.max_score_loss:
        wrong.append(f"the score may lose {verdict.max_score_loss:g} {verdict.unit} (max_score_loss)")
    if verdict.agreement is not None and verdict.agreement < verdict.min_agreement:
        wrong.append(f"{verdict.min_agreement:.2%} of rows must keep their answer (min_agreement)")
    if verdict.min_speedup is not None and verdict.speedup < verdict.min_speedup:
        wrong.append(f"it must be {verdict.min_speedup:g} times as fast (min_speedup)")
    if wrong:
        raise RunError(f"{verdict}; but {'; '.join(wrong)}; nothing is written")


def speedup(plain: Answerer, small: Answerer) -> float:
    """Return the time of one artifact over that of another on the same rows: the fastest of turns, since other work on
    the machine only ever adds."""
    rows = random_rows(plain.fitted.inputs, SPEED_ROWS)
    seconds: dict[str, list[float]] = {"plain": [], "small": []}
    for answerer in (plain, small):
        answerer.answer(rows)
    end = time.perf_counter() + SPEED_SECONDS
    while len(seconds["small"]) < FEWEST_TURNS or time.perf_counter() < end:
        for name, answerer in (("plain", plain), ("small", small)):
            start = time.perf_counter()
            answerer.answer(rows)
            seconds[name].append(time.perf_counter() - start)
    return min(seconds["plain"]) / min(seconds["small"])
