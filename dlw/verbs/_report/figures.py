"""What a kind of answers looks like: confusion matrix, reliability, precision and recall, predicted against true.

One function per Outcome kind, found by its name in FIGURES; vectors have none: their neighbours are shown row by row.
Shape legend: N rows, K classes, T targets, Q levels, B bins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from dlw.specs import Outcome
from dlw.verbs._report import charts, places
from dlw.verbs._report.html import Markup, table
from dlw.verbs._report.matrix import MOST_CLASSES, confusion

BINS = 10
MOST_TARGETS = 4


def classes(outcome: Outcome, seed: int) -> list[Markup]:
    """Return the confusion matrix and reliability; of two classes also precision against recall."""
    found = []
    if outcome.prediction.shape[1] <= MOST_CLASSES:
        found.append(_confusion(outcome))
    found.append(_reliability(outcome))
    if outcome.prediction.shape[1] == 2:
        name = outcome.names[outcome.positive] if outcome.names else str(outcome.positive)
        is_true = outcome.target == outcome.positive
        if is_true.any():
            found.append(_precision_recall(outcome.prediction[:, outcome.positive], is_true, name))
    return found


def values(outcome: Outcome, seed: int) -> list[Markup]:
    """Return predicted against true values and the errors, for each of the first targets."""
    found = []
    for place in range(min(MOST_TARGETS, outcome.target.shape[1])):
        name = outcome.names[place] if outcome.names else "target"
        said, truth = outcome.prediction[:, place], outcome.target[:, place]
        found.append(charts.points(truth, said, f"true {name}", f"{name}: predicted (up) against true (across)", seed))
        errors = said - truth
        counts, edges = np.histogram(errors, bins=24, range=_middle(errors))
        caption = f"{name}: how many rows (up) by predicted minus true (across), the middle 99 %"
        found.append(charts.bars(edges, counts.astype(np.float64), "predicted minus true", caption))
    return found


def quantiles(outcome: Outcome, seed: int) -> list[Markup]:
    """Return how often the truth lies below each level."""
    return [places.below_levels(outcome)]


def scores(outcome: Outcome, seed: int) -> list[Markup]:
    """Return precision against recall of the strange rows."""
    is_true = outcome.target == 1
    return [_precision_recall(outcome.prediction, is_true, "strange rows")] if is_true.any() else []


def clusters(outcome: Outcome, seed: int) -> list[Markup]:
    """Return how many rows of each hidden class, or of no known one, each cluster holds."""
    classes_C = np.unique(outcome.target)
    size = outcome.prediction.shape[1]
    if size > MOST_CLASSES or len(classes_C) > MOST_CLASSES:
        return []
    names = [_class_name(outcome, place) for place in classes_C.tolist()]
    cluster_N = outcome.prediction.argmax(1)
    rows = []
    for cluster in range(size):
        inside_N = outcome.target[cluster_N == cluster]
        rows.append([f"cluster {cluster}", *(f"{int((inside_N == place).sum()):,}" for place in classes_C)])
    caption = "rows by cluster (down) and class (across), which was hidden while learning"
    return [table(["", *names], rows, caption)]


def _class_name(outcome: Outcome, place: int) -> str:
    if 0 <= place < len(outcome.names):
        return outcome.names[place]
    return "not known" if place < 0 else "new in these rows"


def labels(outcome: Outcome, seed: int) -> list[Markup]:
    """Return precision against recall of the first labels that occur, among the rows where each is known."""
    found: list[Markup] = []
    for place, name in enumerate(outcome.names):
        is_known = outcome.target[:, place] >= 0
        is_true = outcome.target[is_known, place] == 1
        if is_true.any() and len(found) < MOST_TARGETS:
            found.append(_precision_recall(outcome.prediction[is_known, place], is_true, name))
    return found


def nats(outcome: Outcome, seed: int) -> list[Markup]:
    """Return how surprising the rows are: nats per token of each."""
    per_token = outcome.prediction / np.maximum(outcome.target[:, 0], 1)
    counts, edges = np.histogram(per_token, bins=24, range=_middle(per_token))
    caption = "how many rows (up) by nats per token (across), the middle 99 %"
    return [charts.bars(edges, counts.astype(np.float64), "nats per token", caption)]


def texts(outcome: Outcome, seed: int) -> list[Markup]:
    """Return the lengths of the answers against those of the truth."""
    true, said = (np.array([len(str(one)) for one in side], float) for side in (outcome.target, outcome.prediction))
    caption = "characters of the answer (up) against those of the truth (across)"
    return [charts.points(true, said, "characters of the truth", caption, seed)]


FIGURES: Mapping[str, Callable[[Outcome, int], list[Markup]]] = {
    "classes": classes,
    "labels": labels,
    "values": values,
    "quantiles": quantiles,
    "scores": scores,
    "clusters": clusters,
    "nats": nats,
    "texts": texts,
    "map": places.pixels,
    "boxes": places.objects,
    "ranking": places.ranks,
    "forecast": places.forecast,
    "forecast_quantiles": places.forecast,
}


def _middle(errors: np.ndarray) -> tuple[float, float]:
    """Return the ends of the middle 99 % of some numbers, apart even where all are equal."""
    low, high = np.quantile(errors, [0.005, 0.995])
    apart = max(abs(low), abs(high), 1.0) * 1e-6
    return (float(low), float(high)) if high - low > apart else (float(low - apart), float(high + apart))


def _confusion(outcome: Outcome) -> Markup:
    size = outcome.prediction.shape[1]
    counts = np.zeros((size, size), np.int64)
    np.add.at(counts, (outcome.target, outcome.decision), 1)
    names = outcome.names or tuple(map(str, range(size)))
    return confusion(counts, names, "rows by true class (down) and answered class (across)")


def _reliability(outcome: Outcome) -> Markup:
    confidence_N = np.asarray(outcome.prediction, np.float64).max(1)
    hit_N = outcome.prediction.argmax(1) == outcome.target
    edges = np.linspace(0, 1, BINS + 1)
    bin_N = np.clip((confidence_N * BINS).astype(np.int64), 0, BINS - 1)
    counts = np.bincount(bin_N, minlength=BINS)
    rates = np.bincount(bin_N, hit_N, BINS) / np.maximum(counts, 1)
    caption = "share of right answers (up) by stated probability (across); on the dashed line the probability is honest"
    return charts.bars(edges, rates, "probability of the answer", caption, is_even=True)


def _precision_recall(score_N: np.ndarray, is_true_N: np.ndarray, name: str) -> Markup:
    order = np.argsort(-score_N, kind="stable")
    hits = np.cumsum(is_true_N[order])
    is_end = np.append(np.diff(score_N[order]) != 0, True)  # ties share one threshold
    recall, precision = hits / is_true_N.sum(), hits / np.arange(1, len(hits) + 1)
    curve = list(zip(recall[is_end].tolist(), precision[is_end].tolist(), strict=True))
    base = float(is_true_N.mean())
    caption = f"precision (up) against recall (across) of {name}"
    return charts.lines({"network": places.thinned(curve), "by chance": [(0.0, base), (1.0, base)]}, "recall", caption)
