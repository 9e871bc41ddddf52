"""The contract of a baseline: the plain answer that a network must beat.

A plug-in file holds a docstring, `KINDS` (the Outcome kinds it can answer), `INPUTS` (the input kinds it reads; it is
asked only where it reads all of them), optionally `fits(specs) -> bool` (whether columns like these are what it is
for), and `predict(train, target, test, ask) -> Answer`: fit on the packed training
arrays and the encoded target, answer for the test arrays in the layout of Outcome.prediction. scikit-learn is
imported inside `predict`: it costs two seconds.
Shape legend: N rows, K classes, L labels, T targets, Q levels, F features, H steps ahead, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dlw.specs import Arrays, FieldSpec


@dataclass(frozen=True)
class Ask:
    """What is to be answered: an Outcome kind of `size` classes, labels or targets, from inputs as specified."""

    kind: str
    size: int
    specs: Mapping[str, FieldSpec]
    levels: tuple[float, ...] = ()
    seed: int = 0
    of_rows: int = 0
    """Rows of the training split, where the arrays hold only a part of them."""
    names: tuple[str, ...] = ()
    """Of forecasts: the channels of the input series that go on; of texts: the text of each token of the target."""
    season: int = 0
    """Of forecasts: steps of a season, 0 where none is known."""
    train_group: np.ndarray | None = None
    """int64 [training rows]: the recording of each row where scores are averaged over recordings; None: not so."""
    test_group: np.ndarray | None = None
    """int64 [rows to answer], in the same numbering; the rows of a recording are in the order of time."""
    truth: np.ndarray | None = None
    """Of nats: the encoded target of the test rows, whose chance is asked for."""
    read_texts: Sequence[str] = ()
    """Of texts: what the test rows hold, as it was given."""
    learned_from: Sequence[str] = ()
    """Of texts: what the training rows hold, as it was given."""
    learned_texts: Sequence[str] = ()
    """Of texts: the answers of the training rows."""


class Answer(NamedTuple):
    """Predictions laid out as Outcome.prediction, and in a few words what was fitted on how many rows."""

    prediction: np.ndarray
    note: str


def answered(predict: Callable[..., Answer], train: Arrays, target: np.ndarray, test: Arrays, ask: Ask) -> Answer:
    """Ask a baseline; the processor's floating-point flags are not told as warnings.

    Some BLAS kernels compute on lanes that they then throw away, and numpy reports what these raised (issues 13173 and
    24067 there), on one machine and not on the next. A wrong number in the answer itself shows in its scores.
    """
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        return predict(train, target, test, ask)
