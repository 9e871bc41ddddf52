"""The nouns that fields, models and tasks share, so that none of them needs to know another.

A field turns raw values into one compact array and describes it by a FieldSpec. Arrays of one `kind` that are plain
columns (numbers, category ids) are packed side by side, so that a table of 14 columns reaches the model as two tensors.
A task says what it wants out of the network by an OutputSpec. Nothing here imports torch: a bundle predicts without it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
"""Column group -> array with the rows on the first axis."""

INDEX = "index"
"""Batch key: int64 position of each row in its split."""

TARGET = "target"
"""Batch key and array group of the packed target columns."""

VOID = 255
"""In a mask, the class of a pixel that is not known."""


@dataclass(frozen=True)
class FieldSpec:
    """What a network needs to know of one input (or of the packed target).

    `kind` names the meaning of the array and so the group it is packed into:
      number    float32 [F], NaN where the value is missing; raw units, the model standardises
      category  int64 [F], 0 is "missing or never seen in training", ids of column f run from 1 to sizes[f] - 1
      labels    int8 [L], one column per label: 1 yes, 0 no, -1 not known
      image     uint8 [C, H, W], raw pixels
      mask      uint8 [H, W], the class of each pixel of the picture beside it, 255 where it is not known
      boxes     float32 [M, 5], class, left, top, right, bottom in pixels of the encoded picture beside it; rows of
                class -1 fill up
      tokens    int32 [T], ids from 1 to sizes[0] - 1, 0 after the end; statistics hold `unknown`, `start`, `end`: [the
                id that stands for what was not learned, begins, ends a text] (of files: those that there are; no field
                adds start or end to a target, tasks do) and `characters`: how many characters of text each id stands
                for; `max_length`: [most steps of a row]; `is_learned`: [1] where the tokens were learned from the
                training split; of a target with the tokenizer of an input `same_as`: [that input]. Ids of a tokenizer
                that was read from a file are its own plus one
      sound     int16 [T], samples from -32767 to 32767, -32768 after the end; statistics hold `sample_rate_hz`
      series    float32 [T, C], NaN where a value is missing, a step of only NaN after the end; raw units
      graph     int16 [T, F], one step per atom: properties, the first above 0, then for each neighbour its step counted
                from 1 and the bond's id, 0 for none; zeros after the end. sizes hold the ids of each property, then
                of bonds
      none      int64 [], always -1: the target of a task that learns from its inputs and is told no answer
    `mask` and `boxes` are targets only; `labels` names their classes. As a *target*, a category has no id 0: ids run
    from 0 to sizes[0] - 1 and `labels` names them; statistics hold `counts`: for a category one list of rows per id,
    for labels one [no, yes, not known] per label, for masks and boxes the pixels or boxes per class. Boxes also
    hold `picture`: [width, height] of the encoded picture.
    """

    kind: str
    shape: tuple[int, ...]
    dtype: str
    columns: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()
    statistics: Mapping[str, Any] = field(default_factory=dict)
    """Fitted on the training split; each value is a list with one entry per column (number: mean, std, quantiles and
    rising bin edges; image: mean, std per channel in units of 0..255; series: mean, std, and of a target with a season
    its `season` in steps and `seasonal_error`, the mean absolute change over a season)."""
    is_ragged: bool = False
    """Whether rows differ in length: the first axis of the shape holds the steps of a row, at most this many in
    training; dlw.ragged says how a row ends. Arrays of such a group are as long as their longest row."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able mapping; `from_json` restores an equal spec."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FieldSpec:
        """Restore a spec written by `to_json`."""
        tuples = {key: tuple(data[key]) for key in ("shape", "columns", "sizes", "labels")}
        is_ragged = bool(data.get("is_ragged", False))
        return cls(
            kind=data["kind"], dtype=data["dtype"], is_ragged=is_ragged, statistics=dict(data["statistics"]), **tuples
        )


NO_TARGET = FieldSpec("none", (), "int64")


@dataclass(frozen=True)
class OutputSpec:
    """What a task wants from the network, by `kind`:

      vector  float [B, size]
      map     float [B, size, H, W], one value per class and pixel of the input picture
      points  float [B, P, 7 + size]: centre x, y and stride of each of P places, the box found there as left, top,
              right, bottom, and one logit per class; lengths in pixels of the input picture
      error   float [B, 1, h, w] >= 0, how badly the network explains each part of its own input; of a series
              h steps and w channels
      forecast  float [B, steps, size]: the `steps` after the end of the input series, in its units; a step holds for
              each of `columns` one value, or one per quantile level side by side
      clusters  float [B, 1 + 2 size + D]: how badly the row is rebuilt, its log-density in each of `size` clusters but
              for a constant, its squared distance from the middle of each, and the row itself as D standardised values
      items   float [B, size], one score per item for what follows the histories of the input that holds items (tokens);
              in training [B, T, size], one per step, for what follows the history up to there
      steps   float [B, S, size], one vector for each `step_seconds` of the input recording; steps after its end hold
              a large value for output 0 and a small one for the others
      tokens  float [B, T, size], a logit per token for the step after each of T of its input; the network is a
              models._base.Writer, as for the next kind
      told_tokens  float [B, T + 1, size]: the network writes a text of its own beside the inputs. In training it also
              reads the target [B, T]: step t knows the target before t, the last one predicts the end

    For a vector or a map a network may also answer with M members of an ensemble in one net, or of M mirror images,
    [B, M, size] or [B, M, size, H, W]: the loss is averaged over members and predictions are averaged after the task's
    activation.
    `start` is a value for the bias of the last layer.
    """

    kind: str
    size: int
    start: tuple[float, ...] = ()
    classes: int = 0
    """Above 0, training adds the cosine of the vector to a learned direction of each class: [B, size + classes]."""
    steps: int = 0
    """Of a forecast: how many steps; of tokens: how many the network looks back at most."""
    columns: tuple[str, ...] = ()
    """Of a forecast: the channels of the input series that go on."""
    step_seconds: float = 0.0
    """Of steps: the time from one to the next."""
    is_new_only: bool = False
    """Whether items of the history score LOWEST outside of training, so that they are never answered."""
    end: int = 0
    """Of tokens: the id that ends a text."""
    copied: str = ""
    """Of told tokens: the input group that has the same tokens as the target, so that the network can copy them."""

    @property
    def axes(self) -> int:
        """Axes of one network's answer where an ensemble may answer too; 0 for the other kinds."""
        return {"vector": 2, "map": 4}.get(self.kind, 0)

    @property
    def is_written(self) -> bool:
        """Whether the network writes tokens."""
        return self.kind in ("tokens", "told_tokens")

    @property
    def is_told(self) -> bool:
        """Whether the network also reads the target in training."""
        return self.kind == "told_tokens"

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of a row of the output where they matter to the memory: logits of every step."""
        return (self.steps, self.size) if self.is_written else (0,)


LOWEST = -1e4
"""The score of items that must not be answered: finite, and below every other."""


@dataclass(frozen=True)
class Outcome:
    """Predictions beside the truth, what a metric reads. N rows.

    kind      prediction                         target
    classes   float [N, K] probabilities         int64 [N]
    labels    float [N, L] probabilities         int8 [N, L], -1 where not known
    values    float64 [N, T] in the user's units float64 [N, T]
    quantiles float64 [N, T, Q]                  float64 [N, T]; `levels` holds the Q levels
    map       uint8 [N, H, W] class ids          uint8 [N, H, W], 255 where not known
    boxes     float32 [N, D, 6]: class (-1 fills up), left, top, right, bottom, score;  float32 [N, M, 5] as encoded
    vectors   float32 [N, D], of length 1        int64 [N]
    scores    float64 [N], higher is stranger    int64 [N], 1 where strange
    forecast  float32 [N, H, C] in the user's units  float32 [N, H, C], NaN where not known
    forecast_quantiles  float32 [N, H, C, Q]     float32 [N, H, C]; `levels` holds the Q levels
    clusters  float [N, K] probabilities         int64 [N], a hidden class, -1 where not known
    ranking   int64 [N, R] ids, best first, -1 fills up;  int64 [N], -1 for an item that training never saw
    nats      float64 [N] of each row's tokens   float64 [N, 2]: tokens and characters they were summed over
    texts     object [N] of str                  object [N] of str
    """

    kind: str
    prediction: np.ndarray
    target: np.ndarray
    names: tuple[str, ...] = ()
    levels: tuple[float, ...] = ()
    positive: int = 1
    """Of two classes, the id that precision, recall and their kin ask about."""
    thresholds: tuple[float, ...] = ()
    """Probabilities from which on the answer is yes: of two classes one, for the positive class; of labels one each.
    Where there are none the most probable class is the answer, and a label from 0.5 on."""
    costs: tuple[float, float] = (1.0, 1.0)
    """Of two classes and of labels, what a false yes and a false no cost."""
    group: np.ndarray | None = None
    """Of vectors and scores, int64 [N]: rows are compared with rows of the same group only; None: with all. Metrics of
    scores are averages over the groups; of a series, the rows of a group are in the order of time."""
    is_found: np.ndarray | None = None
    """Of vectors, bool [N]: True where a row is only found, False where it only searches; None: each row does both."""
    positions: np.ndarray | None = None
    """Of clusters, float [N, D]: where each row lies among the standardised inputs."""
    whole: Outcome | None = None
    """Of some vectors or clusters of an outcome, the outcome that they lie in; None: they are all there is."""
    places: np.ndarray | None = None
    """Of some vectors or clusters of an outcome, int64 [N]: where each stands in `whole`. Of scores, int64 [N]: where
    each stands in its recording, counted in steps."""
    scale: tuple[float, ...] = ()
    """Of forecasts: what errors of each of the C columns are divided by, its deviation in training."""
    season: int = 0
    """Of forecasts: steps of a season, 0 where none is known."""
    seasonal_error: tuple[float, ...] = ()
    """Of forecasts with a season: the mean absolute change of each column over a season of the training rows."""
    counts: tuple[int, ...] = ()
    """Of a ranking, how often each item occurs in training."""

    def column(self, place: int) -> Outcome:
        """Return one label, or one target of values or quantiles, as an outcome of its own."""
        here = slice(place, place + 1)
        return replace(
            self,
            prediction=self.prediction[:, here],
            target=self.target[:, here],
            names=self.names[here],
            thresholds=self.thresholds[here],
        )

    @property
    def decision(self) -> np.ndarray:
        """What the probabilities of classes or labels come to: class ids int64 [N], or bool [N, L]."""
        if self.kind == "labels":
            return self.prediction >= (np.asarray(self.thresholds) if self.thresholds else 0.5)
        if not self.thresholds:
            return np.asarray(self.prediction.argmax(1))
        (least,) = self.thresholds
        return np.where(self.prediction[:, self.positive] >= least, self.positive, 1 - self.positive)

    @property
    def choices(self) -> Outcome:
        """Labels as choices between no and yes, one row per known entry, row by row; classes as they are."""
        if self.kind != "labels":
            return self
        known = self.target >= 0
        p = np.asarray(self.prediction, np.float64)[known]
        return Outcome("classes", np.stack([1.0 - p, p], axis=1), self.target[known].astype(np.int64))

    def take(self, rows: np.ndarray) -> Outcome:
        """Return the outcome of some rows (indices or a mask); vectors and clusters go on lying among all."""
        if self.kind not in ("vectors", "clusters"):
            group = None if self.group is None else self.group[rows]
            places = None if self.places is None else self.places[rows]
            return replace(self, prediction=self.prediction[rows], target=self.target[rows], group=group, places=places)
        places = np.arange(len(self.target)) if self.places is None else self.places
        return replace(
            self,
            prediction=self.prediction[rows],
            target=self.target[rows],
            group=None if self.group is None else self.group[rows],
            is_found=None if self.is_found is None else self.is_found[rows],
            positions=None if self.positions is None else self.positions[rows],
            whole=self.whole or self,
            places=places[rows],
        )


MOST_ROWS_AT_ONCE = 256
VALUES_AT_ONCE = 2**22
"""Input values that are answered in one piece: the layers of a network for large pictures fill the memory."""


def rows_at_once(shapes: Iterable[Sequence[int]]) -> int:
    """Return how many rows to answer in one piece, from the shape of one row of each input group."""
    values = sum(math.prod(shape) for shape in shapes)
    return max(1, min(MOST_ROWS_AT_ONCE, VALUES_AT_ONCE // max(1, values)))


def ragged_kinds(groups: Mapping[str, FieldSpec]) -> dict[str, str]:
    """Return group -> kind of the groups whose rows differ in length, as dlw.ragged takes it."""
    return {name: spec.kind for name, spec in groups.items() if spec.is_ragged}


PACKED_KINDS = ("number", "category", "labels")
"""Kinds whose arrays [N, F] are packed side by side under the kind's name; others keep the field's own name."""


def pack_specs(specs: Mapping[str, FieldSpec]) -> dict[str, FieldSpec]:
    """Merge the specs of packed kinds into one spec per kind, in the order of the mapping."""
    packed: dict[str, FieldSpec] = {}
    for name, spec in specs.items():
        group = spec.kind if spec.kind in PACKED_KINDS else name
        packed[group] = _join(packed[group], spec) if group in packed else spec
    return packed


def pack_arrays(arrays: Mapping[str, np.ndarray], specs: Mapping[str, FieldSpec]) -> Arrays:
    """Join arrays [N, F_i] of packed kinds along the last axis, in the same order as `pack_specs`."""
    groups: dict[str, list[np.ndarray]] = {}
    for name, spec in specs.items():
        group = spec.kind if spec.kind in PACKED_KINDS else name
        groups.setdefault(group, []).append(arrays[name])
    return {group: parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1) for group, parts in groups.items()}


def _join(left: FieldSpec, right: FieldSpec) -> FieldSpec:
    keys: Sequence[str] = [*left.statistics, *(key for key in right.statistics if key not in left.statistics)]
    statistics = {key: [*left.statistics.get(key, []), *right.statistics.get(key, [])] for key in keys}
    return replace(
        left,
        shape=(left.shape[0] + right.shape[0],),
        columns=left.columns + right.columns,
        sizes=left.sizes + right.sizes,
        labels=left.labels + right.labels,
        statistics=statistics,
    )
