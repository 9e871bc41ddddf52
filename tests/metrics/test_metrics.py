"""Every metric equals scikit-learn on random rows with ties, plain and weighted, and knows when it is undefined.

The room is listed, so that a new metric is held to the contract without an edit here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from dlw import registry
from dlw.metrics._base import value_of
from dlw.specs import Outcome
from tests.metrics.coco import coco_scores, random_boxes

Reference = Callable[[Outcome, np.ndarray | None], float]


def outcome(kind: str, rows: int, seed: int, *, columns: int = 3, positive: int = 1) -> Outcome:
    """Return a random outcome; scores are rounded so that there are ties."""
    rng = np.random.default_rng(seed)
    if kind == "classes":
        p = np.round(rng.dirichlet(np.ones(columns), rows) * 50 + 0.01) + 0.5
        p /= p.sum(1, keepdims=True)
        return Outcome(kind, p, rng.integers(0, columns, rows), positive=positive, costs=(1.0, 20.0))
    if kind == "labels":
        p = np.round(rng.random((rows, columns)) * 20 + 0.5) / 22
        return Outcome(kind, p, rng.integers(-1, 2, (rows, columns)), costs=(1.0, 20.0))
    if kind == "vectors":
        vectors = rng.normal(size=(rows, 4)).astype(np.float32)
        return Outcome(kind, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), rng.integers(0, columns, rows))
    if kind == "clusters":
        positions = np.concatenate([rng.normal(size=(rows, 2)), np.zeros((rows, 1))], axis=1)
        return Outcome(kind, rng.random((rows, columns)), rng.integers(-1, 2, rows), positions=positions)
    if kind == "scores":
        return Outcome(kind, np.round(rng.random(rows) * 20), rng.integers(0, 2, rows), places=np.arange(rows))
    if kind == "map":
        ids, truth = rng.integers(0, columns, (2, rows, 3, 4), dtype=np.uint8)
        truth[rng.random(truth.shape) < 0.2] = 255
        return Outcome(kind, ids, truth, tuple("abcde"[:columns]), positive=positive)
    if kind == "ranking":
        places = rng.permuted(np.tile(np.arange(-1, 29), (rows, 1)), axis=1)[:, :15]
        return Outcome(kind, places, rng.integers(-1, 29, rows), counts=tuple(range(1, 30)))
    if kind == "boxes":
        return random_boxes(seed, rows, objects=12, boxes=6, classes=columns, digits=6)
    if kind == "texts":
        texts = np.array([" ".join(rng.choice(["a", "ab", "b b", "ba"], rng.integers(0, 6))) for _ in range(2 * rows)])
        return Outcome(kind, texts[:rows].astype(object), texts[rows:].astype(object))
    if kind == "nats":
        return Outcome(kind, rng.random(rows) * 90, rng.integers(10, 50, (rows, 2)).astype(np.float64))
    target = rng.normal(3, 2, (rows, columns))
    prediction = target + rng.normal(size=(rows, columns))
    if kind == "values":
        return Outcome(kind, prediction, target)
    quantiles = np.stack([prediction - 1, prediction, prediction + 1], -1)
    if kind == "quantiles":
        return Outcome(kind, quantiles, target, levels=(0.1, 0.5, 0.9))
    steps = {"scale": tuple(range(1, columns + 1)), "season": 2, "seasonal_error": (2.0,) * columns}
    if kind == "forecast":
        return Outcome(kind, prediction[:, None].repeat(2, 1), target[:, None].repeat(2, 1), **steps)
    quantiles, target = quantiles[:, None].repeat(2, 1), target[:, None].repeat(2, 1)
    return Outcome(kind, quantiles, target, levels=(0.1, 0.5, 0.9), **steps)


def load(name: str) -> ModuleType:
    return registry.load("metrics", name)


CASES = [(name, kind) for name in registry.names("metrics") for kind in load(name).KINDS]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_contract(name: str, kind: str) -> None:
    """A finite number of random rows; weights act like repeated rows; both cheap forms agree with it."""
    module, rows = load(name), outcome(kind, 40, 0)
    assert isinstance(module.HIGHER_IS_BETTER, bool)
    assert math.isfinite(value_of(module, rows))
    weight = np.random.default_rng(1).multinomial(40, np.ones(40) / 40, size=3).astype(np.float64)
    repeated = [value_of(module, rows.take(np.repeat(np.arange(40), row.astype(int)))) for row in weight]
    assert [value_of(module, rows, row) for row in weight] == pytest.approx(repeated, rel=1e-12)
    assert not (hasattr(module, "per_row") and hasattr(module, "resampled"))
    if hasattr(module, "drawn"):
        assert module.drawn(rows, np.ones((2, 40))).tolist() == pytest.approx([value_of(module, rows)] * 2, rel=1e-12)
    if hasattr(module, "resampled"):
        assert module.resampled(rows, weight).tolist() == pytest.approx(repeated, rel=1e-12)
    if hasattr(module, "per_row"):
        assert (weight @ module.per_row(rows) / weight.sum(1)).tolist() == pytest.approx(repeated, rel=1e-12)


@pytest.mark.parametrize(("name", "kind"), CASES)
@pytest.mark.parametrize("columns", [2, 3])
def test_no_rows_is_undefined(name: str, kind: str, columns: int) -> None:
    """Without rows there is no score, and no crash."""
    assert math.isnan(value_of(load(name), outcome(kind, 5, 0, columns=columns).take(np.zeros(0, np.int64))))


@pytest.mark.parametrize(("name", "kind"), CASES)
@pytest.mark.parametrize("columns", [2, 3])
def test_one_row_never_crashes(name: str, kind: str, columns: int) -> None:
    """One row, hence one class: a number or NaN."""
    assert isinstance(value_of(load(name), outcome(kind, 1, 3, columns=columns)), float)


@pytest.mark.withstands("properties", case="P8")
@pytest.mark.parametrize("name", ["auroc", "average_precision", "precision_at_recall_50", "recall", "f1"])
def test_one_class_only_is_undefined(name: str) -> None:
    """No positive in the truth: nothing to rank, nothing to find."""
    rows = outcome("classes", 20, 0, columns=2)
    none = Outcome("classes", np.tile([0.9, 0.1], (20, 1)), np.zeros(20, np.int64))
    assert math.isnan(value_of(load(name), none))
    assert math.isfinite(value_of(load(name), rows))


def false_rate(o: Outcome, w: np.ndarray | None, k: int) -> float:
    """Return one less the specificity of class k."""
    return 1 - float(sk.recall_score(o.target != k, best(o) != k, sample_weight=w))


def best(o: Outcome) -> np.ndarray:
    return o.prediction.argmax(1)


def average(o: Outcome, w: np.ndarray | None, function: Callable[..., float]) -> float:
    """Average a binary reference over labels, gaps left out."""
    values = []
    for k in range(o.prediction.shape[1]):
        rows = o.target[:, k] >= 0
        weight = None if w is None else w[rows]
        values.append(function(o.target[rows, k], o.prediction[rows, k], sample_weight=weight))
    return float(np.mean(values))


def threshold(function: Callable[..., float]) -> Callable[..., float]:
    return lambda y, p, sample_weight: function(y, p >= 0.5, sample_weight=sample_weight)


def at_recall(y: np.ndarray, p: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    precision, recall, _ = sk.precision_recall_curve(y, p, sample_weight=sample_weight)
    return float(precision[recall >= 0.5].max())


def one_vs_rest(o: Outcome, w: np.ndarray | None, function: Callable[..., float]) -> float:
    return float(np.mean([function(o.target == k, o.prediction[:, k], sample_weight=w) for k in range(3)]))


def partition(function: Callable[..., float]) -> Reference:
    """Return a reference that compares two partitions and knows no weights: rows are repeated."""

    def reference(o: Outcome, w: np.ndarray | None) -> float:
        rows = np.flatnonzero(o.target >= 0)
        rows = np.repeat(rows, np.ones(len(rows), int) if w is None else w[rows].astype(int))
        return float(function(o.target[rows], best(o)[rows]))

    return reference


def silhouette(o: Outcome, w: np.ndarray | None) -> float:
    """Average the silhouettes that the rows have among all rows."""
    return float(np.average(sk.silhouette_samples(o.positions, best(o)), weights=w))


def pixels(function: Callable[..., float], **options: Any) -> Reference:
    """Return a reference that sees every known pixel as a row."""

    def reference(o: Outcome, w: np.ndarray | None) -> float:
        is_known = o.target != 255
        weight = np.broadcast_to((np.ones(len(o.target)) if w is None else w)[:, None, None], o.target.shape)
        return float(function(o.target[is_known], o.prediction[is_known], sample_weight=weight[is_known], **options))

    return reference


def repeated_boxes(place: int) -> Reference:
    """Return one figure of the COCO evaluator, which knows no weights: pictures are repeated."""

    def reference(o: Outcome, w: np.ndarray | None) -> float:
        repeats = np.ones(len(o.target), int) if w is None else w.astype(int)
        return coco_scores(o.take(np.repeat(np.arange(len(o.target)), repeats)))[place]

    return reference


def label_cost(o: Outcome, w: np.ndarray | None) -> float:
    """Return the mean cost of the known entries, a false yes 1 and a false no 20 (see `outcome`)."""
    known = o.target >= 0
    cost = 1.0 * ((o.prediction >= 0.5) & (o.target == 0)) + 20.0 * ((o.prediction < 0.5) & (o.target == 1))
    weight = np.broadcast_to((np.ones(len(o.target)) if w is None else w)[:, None], known.shape)
    return float(np.average(cost[known], weights=weight[known]))


def class_cost(o: Outcome, w: np.ndarray | None) -> float:
    """Return the mean cost of two classes by the confusion matrix."""
    matrix = sk.confusion_matrix(o.target == o.positive, best(o) == o.positive, sample_weight=w)
    return float((matrix[0, 1] + 20 * matrix[1, 0]) / matrix.sum())


def label_ece(o: Outcome, w: np.ndarray | None) -> float:
    """Return the error of every known entry as a choice between no and yes."""
    rows, columns = np.nonzero(o.target >= 0)
    p = o.prediction[rows, columns]
    choices = Outcome("classes", np.stack([1 - p, p], axis=1), o.target[rows, columns])
    return naive_ece(choices, None if w is None else w[rows])


def naive_ece(o: Outcome, w: np.ndarray | None) -> float:
    weight = np.ones(len(o.target)) if w is None else w
    confidence, hit, total = o.prediction.max(1), best(o) == o.target, 0.0
    for low in range(15):
        inside = (confidence > low / 15) & (confidence <= (low + 1) / 15)
        if weight[inside].sum():
            gap = np.average(hit[inside] - confidence[inside], weights=weight[inside])
            total += abs(gap) * weight[inside].sum() / weight.sum()
    return total


def retrieval(o: Outcome, w: np.ndarray | None, measure: Callable[[np.ndarray], float]) -> float:
    """Average a measure of the row's own class in the others from near to far, over rows that have others."""
    values, weights = [], []
    for row, (vector, target) in enumerate(zip(o.prediction, o.target, strict=True)):
        order = [other for other in np.argsort(-(o.prediction @ vector)) if other != row]
        hits = o.target[order] == target
        if hits.any():
            values.append(measure(hits))
            weights.append(1.0 if w is None else w[row])
    return float(np.average(values, weights=weights))


BINARY: dict[str, Reference] = {
    "accuracy": lambda o, w: sk.accuracy_score(o.target, best(o), sample_weight=w),
    "balanced_accuracy": lambda o, w: sk.balanced_accuracy_score(o.target, best(o), sample_weight=w),
    "f1": lambda o, w: sk.f1_score(o.target, best(o), sample_weight=w, pos_label=o.positive),
    "f1_macro": lambda o, w: sk.f1_score(o.target, best(o), sample_weight=w, average="macro"),
    "precision": lambda o, w: sk.precision_score(o.target, best(o), sample_weight=w, pos_label=o.positive),
    "recall": lambda o, w: sk.recall_score(o.target, best(o), sample_weight=w, pos_label=o.positive),
    "auroc": lambda o, w: sk.roc_auc_score(o.target == o.positive, o.prediction[:, o.positive], sample_weight=w),
    "average_precision": lambda o, w: sk.average_precision_score(
        o.target == o.positive, o.prediction[:, o.positive], sample_weight=w
    ),
    "precision_at_recall_50": lambda o, w: at_recall(o.target == o.positive, o.prediction[:, o.positive], w),
    "log_loss": lambda o, w: sk.log_loss(o.target, o.prediction, sample_weight=w),
    "brier": lambda o, w: sk.brier_score_loss(o.target == o.positive, o.prediction[:, o.positive], sample_weight=w),
    "ece": naive_ece,
    "tpr": lambda o, w: sk.recall_score(o.target, best(o), sample_weight=w, pos_label=o.positive),
    "fpr": lambda o, w: false_rate(o, w, o.positive),
    "selection_rate": lambda o, w: float(np.average(best(o) == o.positive, weights=w)),
    "mean_cost": class_cost,
}
MULTI: dict[str, Reference] = {
    **{name: BINARY[name] for name in ("accuracy", "balanced_accuracy", "f1_macro", "log_loss", "ece")},
    "f1": BINARY["f1_macro"],
    "precision": lambda o, w: sk.precision_score(o.target, best(o), sample_weight=w, average="macro", zero_division=0),
    "recall": lambda o, w: sk.recall_score(o.target, best(o), sample_weight=w, average="macro", zero_division=0),
    "tpr": lambda o, w: sk.recall_score(o.target, best(o), sample_weight=w, average="macro", zero_division=0),
    "fpr": lambda o, w: float(np.mean([false_rate(o, w, k) for k in range(3)])),
    "selection_rate": lambda o, w: 1 / 3,
    "mean_cost": lambda o, w: 1 - float(sk.accuracy_score(o.target, best(o), sample_weight=w)),
    "auroc": lambda o, w: sk.roc_auc_score(o.target, o.prediction, multi_class="ovr", sample_weight=w),
    "average_precision": lambda o, w: one_vs_rest(o, w, sk.average_precision_score),
    "precision_at_recall_50": lambda o, w: one_vs_rest(o, w, at_recall),
    "brier": lambda o, w: float(np.average(((o.prediction - np.eye(3)[o.target]) ** 2).sum(1), weights=w)),
}
LABELS: dict[str, Reference] = {
    "ece": label_ece,
    "mean_cost": label_cost,
    "f1": lambda o, w: average(o, w, threshold(sk.f1_score)),
    "f1_macro": lambda o, w: average(o, w, threshold(sk.f1_score)),
    "precision": lambda o, w: average(o, w, threshold(sk.precision_score)),
    "recall": lambda o, w: average(o, w, threshold(sk.recall_score)),
    "tpr": lambda o, w: average(o, w, threshold(sk.recall_score)),
    "fpr": lambda o, w: average(
        o, w, lambda y, p, sample_weight: 1 - sk.recall_score(1 - y, p < 0.5, sample_weight=sample_weight)
    ),
    "selection_rate": lambda o, w: average(
        o, w, lambda y, p, sample_weight: float(np.average(p >= 0.5, weights=sample_weight))
    ),
    "auroc": lambda o, w: average(o, w, sk.roc_auc_score),
    "average_precision": lambda o, w: average(o, w, sk.average_precision_score),
    "precision_at_recall_50": lambda o, w: average(o, w, at_recall),
    "log_loss": lambda o, w: sk.log_loss(
        o.target[o.target >= 0],
        o.prediction[o.target >= 0],
        sample_weight=None if w is None else np.broadcast_to(w[:, None], o.target.shape)[o.target >= 0],
    ),
}


def scaled(outcome: Outcome, scale: tuple[float, ...]) -> Outcome:
    """Return a forecast with steps and columns side by side, each column over its scale."""
    width = np.asarray(scale)
    target = (outcome.target / width).reshape(len(outcome.target), -1)
    prediction = outcome.prediction / (width[:, None] if outcome.prediction.ndim == 4 else width)
    prediction = prediction.reshape(*target.shape, *outcome.prediction.shape[3:])
    return Outcome("values", prediction, target, levels=outcome.levels)


VALUES: dict[str, Reference] = {
    "mse": lambda o, w: sk.mean_squared_error(o.target, o.prediction, sample_weight=w),
    "rmse": lambda o, w: sk.root_mean_squared_error(o.target, o.prediction, sample_weight=w),
    "mae": lambda o, w: sk.mean_absolute_error(o.target, o.prediction, sample_weight=w),
    "mape": lambda o, w: sk.mean_absolute_percentage_error(o.target, o.prediction, sample_weight=w),
    "r2": lambda o, w: sk.r2_score(o.target, o.prediction, sample_weight=w),
}
QUANTILES: dict[str, Reference] = {
    **{name: lambda o, w, r=r: r(Outcome("values", o.prediction[..., 1], o.target), w) for name, r in VALUES.items()},
    "pinball": lambda o, w: float(
        np.mean(
            [
                sk.mean_pinball_loss(o.target, o.prediction[..., q], sample_weight=w, alpha=level)
                for q, level in enumerate(o.levels)
            ]
        )
    ),
    "coverage": lambda o, w: float(np.average((np.abs(o.target - o.prediction[..., 1]) <= 1).mean(1), weights=w)),
}
QUANTILES["crps"] = lambda o, w: 2 * QUANTILES["pinball"](o, w)
FORECASTS: dict[str, Reference] = {
    "mse": lambda o, w: VALUES["mse"](scaled(o, o.scale), w),
    "mae": lambda o, w: VALUES["mae"](scaled(o, o.scale), w),
    "mase": lambda o, w: VALUES["mae"](scaled(o, o.seasonal_error), w),
}
FORECAST_QUANTILES: dict[str, Reference] = {
    **{name: lambda o, w, r=r: r(replace(o, prediction=o.prediction[..., 1]), w) for name, r in FORECASTS.items()},
    **{name: lambda o, w, n=name: QUANTILES[n](scaled(o, o.scale), w) for name in ("pinball", "crps")},
    "coverage": lambda o, w: QUANTILES["coverage"](scaled(o, (1.0,) * len(o.scale)), w),
}
VECTORS: dict[str, Reference] = {
    "recall_at_1": lambda o, w: retrieval(o, w, lambda hits: hits[0]),
    "map_at_r": lambda o, w: retrieval(
        o, w, lambda hits: np.mean([hit * hits[:place].mean() for place, hit in enumerate(hits[: hits.sum()], start=1)])
    ),
}


def area_without_margin(outcome: Outcome, weight: np.ndarray | None) -> float:
    """Return the trapezoidal area of precision over recall times the share of anomalies touched, no margin."""
    weight = np.ones(len(outcome.target)) if weight is None else weight
    kept = weight > 0
    truth, score, weight = outcome.target[kept], outcome.prediction[kept], weight[kept]
    starts = np.diff(truth, prepend=0) == 1
    number = np.cumsum(starts) * truth
    area, before, height = 0.0, 0.0, None
    for least in np.unique(score)[::-1]:
        taken = score >= least
        hits = (weight * truth)[taken].sum()
        recall = hits / (weight * truth).sum() * len(set(number[taken]) - {0}) / starts.sum()
        precision = hits / weight[taken].sum()
        area += (recall - before) * (precision + (precision if height is None else height)) / 2
        before, height = recall, precision
    return float(area)


SCORES: dict[str, Reference] = {
    "vus_pr": area_without_margin,
    "auroc": lambda o, w: sk.roc_auc_score(o.target, o.prediction, sample_weight=w),
    "average_precision": lambda o, w: sk.average_precision_score(o.target, o.prediction, sample_weight=w),
}


def by_item(measure: Callable[[list[int], int], float]) -> Reference:
    """Return the mean over rows of a measure of (ranking, item)."""
    return lambda o, w: float(
        np.average([measure(r.tolist(), int(t)) for r, t in zip(o.prediction, o.target, strict=True)], weights=w)
    )


def gain(ranking: list[int], item: int) -> float:
    """Return scikit-learn's NDCG at 10 of one relevant item, 0 where the ranking lacks it."""
    relevant = [[float(found == item >= 0) for found in ranking]]
    return sk.ndcg_score(relevant, [list(range(len(ranking), 0, -1))], k=10) if item in ranking and item >= 0 else 0.0


def covered(rows: Outcome, weight: np.ndarray | None) -> float:
    """Return the share of items in the first ten places of rows that have a weight."""
    shown = {
        item for row in rows.prediction[slice(None) if weight is None else weight > 0, :10] for item in row.tolist()
    }
    return len(shown - {-1}) / len(rows.counts)


RANKINGS: dict[str, Reference] = {
    "ndcg_at_10": by_item(gain),
    "hit_rate_at_10": by_item(lambda ranking, item: float(item >= 0 and item in ranking[:10])),
    "mrr": by_item(lambda ranking, item: 1 / (ranking.index(item) + 1) if item >= 0 and item in ranking else 0.0),
    "item_coverage": covered,
    "novelty": lambda o, w: by_item(
        lambda ranking, _: float(np.mean([-np.log2((i + 1) / sum(o.counts)) for i in ranking[:10] if i >= 0]))
    )(o, w),
}
MAPS: dict[str, Reference] = {
    "mean_iou": pixels(sk.jaccard_score, average="macro"),
    "dice": pixels(sk.f1_score, average="macro"),
    "pixel_accuracy": pixels(sk.accuracy_score),
}
BOXES: dict[str, Reference] = {"map": repeated_boxes(0), "map50": repeated_boxes(1)}
CLUSTERS: dict[str, Reference] = {
    "ari": partition(sk.adjusted_rand_score),
    "nmi": partition(sk.normalized_mutual_info_score),
    "silhouette": silhouette,
}


def per(unit: int, function: Callable[[float], float] = lambda nats: nats) -> Reference:
    """Return a reference that divides the nats of all windows by their tokens (0) or characters (1)."""

    def reference(o: Outcome, w: np.ndarray | None) -> float:
        weight = np.ones(len(o.target)) if w is None else w
        return function(float((weight * o.prediction).sum() / (weight * o.target[:, unit]).sum()))

    return reference


def corpus(name: str) -> Reference:
    """Return a reference that asks sacreBLEU about repeated rows."""

    def reference(o: Outcome, w: np.ndarray | None) -> float:
        import sacrebleu.metrics

        rows = np.arange(len(o.target)) if w is None else np.repeat(np.arange(len(o.target)), w.astype(int))
        metric = getattr(sacrebleu.metrics, name)()
        return float(metric.corpus_score(list(o.prediction[rows]), [list(o.target[rows])]).score)

    return reference


def rouge(kind: str) -> Reference:
    """Return a reference that asks rouge-score text by text."""

    def reference(o: Outcome, w: np.ndarray | None) -> float:
        from rouge_score.rouge_scorer import RougeScorer

        scorer = RougeScorer([kind], use_stemmer=True)
        values = [scorer.score(o.target[row], o.prediction[row])[kind].fmeasure for row in range(len(o.target))]
        return float(np.average(values, weights=w))

    return reference


def distinct(length: int) -> Reference:
    """Return a reference that sees each text as often as it weighs."""

    def reference(o: Outcome, w: np.ndarray | None) -> float:
        from nltk import ngrams

        texts = np.repeat(o.prediction, np.ones(len(o.target), int) if w is None else w.astype(int))
        grams = [gram for text in texts for gram in ngrams(text.split(), length)]
        return len(set(grams)) / len(grams)

    return reference


ELSEWHERE = {("cer", "texts"), ("wer", "texts")}
"""Held against references in test_transcripts.py."""
REFERENCES = [
    *[("clusters", 4, name, reference) for name, reference in CLUSTERS.items()],
    *[("boxes", 3, name, reference) for name, reference in BOXES.items()],
    *[("map", 3, name, reference) for name, reference in MAPS.items()],
    ("map", 2, "dice", lambda o, w: pixels(sk.f1_score, pos_label=o.positive)(o, w)),
    *[("classes", 2, name, reference) for name, reference in BINARY.items()],
    *[("classes", 3, name, reference) for name, reference in MULTI.items()],
    *[("labels", 3, name, reference) for name, reference in LABELS.items()],
    *[("values", 2, name, reference) for name, reference in VALUES.items()],
    *[("quantiles", 2, name, reference) for name, reference in QUANTILES.items()],
    *[("forecast", 2, name, reference) for name, reference in FORECASTS.items()],
    *[("forecast_quantiles", 2, name, reference) for name, reference in FORECAST_QUANTILES.items()],
    *[("vectors", 9, name, reference) for name, reference in VECTORS.items()],
    *[("scores", 2, name, reference) for name, reference in SCORES.items()],
    *[("ranking", 2, name, reference) for name, reference in RANKINGS.items()],
    ("texts", 1, "bleu", corpus("BLEU")),
    ("texts", 1, "chrf", corpus("CHRF")),
    ("texts", 1, "distinct_1", distinct(1)),
    ("texts", 1, "distinct_2", distinct(2)),
    ("texts", 1, "rouge_1", rouge("rouge1")),
    ("texts", 1, "rouge_2", rouge("rouge2")),
    ("texts", 1, "rouge_l", rouge("rougeL")),
    ("nats", 1, "nats_per_token", per(0)),
    ("nats", 1, "nats_per_character", per(1)),
    ("nats", 1, "perplexity", per(0, math.exp)),
    ("nats", 1, "bits_per_character", per(1, lambda nats: nats / math.log(2))),
]


@pytest.mark.withstands("properties", case="P8")
@pytest.mark.parametrize(("kind", "columns", "name", "reference"), REFERENCES)
@pytest.mark.parametrize("seed", range(3))
def test_equals_scikit_learn(
    kind: str, columns: int, name: str, reference: Reference, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The metric equals the field's reference, plain and weighted, for either positive class."""
    rows = outcome(kind, 60, seed, columns=columns, positive=seed % 2)
    weight = np.random.default_rng(seed + 10).integers(0, 4, 60).astype(np.float64)
    if name == "vus_pr":
        monkeypatch.setattr(load(name), "MARGINS", (0,))
    assert value_of(load(name), rows) == pytest.approx(reference(rows, None), rel=1e-9)
    assert value_of(load(name), rows, weight) == pytest.approx(reference(rows, weight), rel=1e-9)


@pytest.mark.parametrize(("name", "kind"), [case for case in CASES if hasattr(load(case[0]), "counted")])
@pytest.mark.parametrize("columns", [2, 3])
def test_rows_that_do_not_count_change_nothing(name: str, kind: str, columns: int) -> None:
    """The metric of the counted rows is that of all; some rows of two classes do not count."""
    module, rows = load(name), outcome(kind, 60, 4, columns=columns)
    counted = module.counted(rows)
    assert counted.dtype == bool
    assert counted.all() == (kind == "classes" and columns == 3)
    if kind == "labels" or columns == 2:
        assert value_of(module, rows.take(counted)) == pytest.approx(value_of(module, rows), rel=1e-12)


@pytest.mark.parametrize("name", ["accuracy", "f1", "precision", "recall", "balanced_accuracy", "fpr"])
def test_a_threshold_decides(name: str) -> None:
    """Probabilities that are decided at a threshold score like sure answers that were decided before."""
    rows = outcome("classes", 60, 5, columns=2)
    low = replace(rows, thresholds=(0.3,))
    decided = replace(rows, prediction=np.eye(2)[(rows.prediction[:, 1] >= 0.3).astype(int)])
    assert value_of(load(name), low) == value_of(load(name), decided) != value_of(load(name), rows)


def test_every_label_has_a_threshold_of_its_own() -> None:
    rows = replace(outcome("labels", 60, 5), thresholds=(0.2, 0.5, 0.8))
    assert rows.decision.tolist() == (rows.prediction >= [0.2, 0.5, 0.8]).tolist()
    assert rows.column(2).decision[:, 0].tolist() == rows.decision[:, 2].tolist()


def test_every_metric_has_a_reference() -> None:
    """No metric joins the room without being held against a reference for each kind it reads."""
    assert {(name, kind) for kind, _, name, _ in REFERENCES} == set(CASES) - ELSEWHERE


def test_log_loss_of_a_sure_mistake_is_finite() -> None:
    """A float32 probability of 0 for the truth costs -log(eps), as in scikit-learn."""
    sure = Outcome("classes", np.array([[1.0, 0.0]], np.float32), np.array([1]))
    assert value_of(load("log_loss"), sure) == pytest.approx(-math.log(np.finfo(np.float32).eps))


def test_r2_of_a_constant_truth_is_undefined() -> None:
    """There is no variance to explain."""
    rows = Outcome("values", np.array([[1.0], [2.0]]), np.array([[3.0], [3.0]]))
    assert math.isnan(value_of(load("r2"), rows))


@pytest.mark.parametrize("name", ["ari", "nmi"])
def test_one_group_against_one_class_is_no_mistake(name: str) -> None:
    """As scikit-learn has it; and there is nothing to compare without known classes."""
    together = Outcome("clusters", np.tile([0.9, 0.1], (5, 1)), np.zeros(5, np.int64))
    assert value_of(load(name), together) == 1.0
    assert math.isnan(value_of(load(name), replace(together, target=np.full(5, -1))))


def test_a_row_alone_in_its_cluster_has_no_silhouette_and_one_cluster_has_none() -> None:
    rows = Outcome("clusters", np.eye(2)[[0, 0, 1]], np.full(3, -1), positions=np.array([[0.0], [1.0], [5.0]]))
    assert value_of(load("silhouette"), rows) == pytest.approx((4 / 5 + 3 / 4 + 0) / 3)
    assert math.isnan(value_of(load("silhouette"), replace(rows, prediction=np.eye(2)[[0, 0, 0]])))


def test_vectors_meet_only_in_their_group_and_found_rows_do_not_search() -> None:
    """Two episodes of one query and two supports: one is answered right."""
    angle = np.radians([0, 10, 90, 0, 80, 10])
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rows = Outcome(
        "vectors",
        vectors,
        np.array([1, 1, 2, 3, 3, 4]),
        group=np.array([0, 0, 0, 1, 1, 1]),
        is_found=np.array([False, True, True, False, True, True]),
    )
    assert value_of(load("recall_at_1"), rows) == 0.5
    assert value_of(load("recall_at_1"), rows.take(np.array([0]))) == 1.0
    assert math.isnan(value_of(load("recall_at_1"), rows.take(np.array([1, 2]))))
