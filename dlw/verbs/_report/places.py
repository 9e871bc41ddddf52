"""Figures of answers that are places: of pixels, of objects on a picture, of items in a ranking, of steps in time.

Shape legend: N rows, K classes, H steps ahead, C channels.
"""

from __future__ import annotations

import numpy as np

from dlw.metrics._box_matches import matches
from dlw.metrics._items import places
from dlw.metrics._pixels import confusion as pixel_confusion
from dlw.metrics._values import error
from dlw.specs import Outcome
from dlw.verbs._report import charts
from dlw.verbs._report.html import Markup
from dlw.verbs._report.matrix import MOST_CLASSES, confusion

MOST_CURVES = 4
MOST_POINTS = 400
RANKS = (1, 2, 3, 5, 10, 20, 50, 100)
OVERLAP = 0.5


def pixels(outcome: Outcome, seed: int) -> list[Markup]:
    """Return which class the known pixels of each class are taken for, in per mille of all known pixels."""
    size = max(len(outcome.names), int(outcome.prediction.max()) + 1)
    if size > MOST_CLASSES:
        return []
    pairs = zip(outcome.prediction, outcome.target, strict=True)
    counts = np.sum([pixel_confusion(said_HW, truth_HW, size) for said_HW, truth_HW in pairs], axis=0)
    names = outcome.names or tuple(map(str, range(size)))
    shown = np.round(1000 * counts / max(1, counts.sum()), 1)
    return [confusion(shown, names, "per mille of the known pixels by true class (down) and answered class (across)")]


def objects(outcome: Outcome, seed: int) -> list[Markup]:
    """Return precision against recall of the boxes of each class, at an overlap of a half."""
    found: list[Markup] = []
    labels = np.unique(outcome.target[..., 0][outcome.target[..., 0] >= 0])
    for label, matched in zip(labels, matches(outcome, np.array([OVERLAP])), strict=True):
        if len(found) == MOST_CURVES:
            break
        hits = np.cumsum(matched.is_hit[0])
        if len(hits) == 0:
            continue
        recall, precision = hits / matched.boxes.sum(), hits / np.arange(1, len(hits) + 1)
        curve = list(zip(recall.tolist(), precision.tolist(), strict=True))
        name = outcome.names[int(label)] if outcome.names else str(int(label))
        caption = f"{name}: precision (up) against recall (across), overlap {OVERLAP:g}"
        found.append(charts.lines({"network": thinned(curve)}, "recall", caption))
    return found


def ranks(outcome: Outcome, seed: int) -> list[Markup]:
    """Return the share of rows whose item is among the first of the ranking, by how many are counted."""
    length, place_N = outcome.prediction.shape[1], places(outcome)
    curve = [(float(rank), float((place_N < rank).mean())) for rank in RANKS if rank <= length]
    caption = "share of rows (up) whose item is among the first of the ranking of all items (across)"
    return [charts.lines({"network": curve}, "places of the ranking", caption)] if len(curve) > 1 else []


def forecast(outcome: Outcome, seed: int) -> list[Markup]:
    """Return how the error grows with the steps ahead; of quantiles also how often the truth lies below each level."""
    error_NHC = np.abs(error(outcome))
    known_NHC = np.isfinite(error_NHC)
    total_H, count_H = np.where(known_NHC, error_NHC, 0.0).sum((0, 2)), known_NHC.sum((0, 2))
    curve = [(float(step + 1), float(total_H[step] / count_H[step])) for step in np.flatnonzero(count_H)]
    caption = "mean absolute error in training deviations (up) by steps ahead (across)"
    found = [charts.lines({"network": curve}, "steps ahead", caption)] if curve else []
    return found if outcome.kind == "forecast" else [*found, below_levels(outcome)]


def below_levels(outcome: Outcome) -> Markup:
    """Return how often the truth, where it is known, lies below each level, which should be the level itself."""
    is_below = (outcome.target[..., None] <= outcome.prediction)[np.isfinite(outcome.target)]
    found = [(float(level), float(is_below[:, q].mean())) for q, level in enumerate(outcome.levels)]
    ideal = [(float(level), float(level)) for level in outcome.levels]
    caption = "share of true values below each quantile (up) by its level (across)"
    return charts.lines({"found": found, "ideal": ideal}, "level", caption)


def thinned(curve: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return a curve of about MOST_POINTS at most, its last one kept."""
    return curve[:: max(1, len(curve) // MOST_POINTS)] + curve[-1:]
