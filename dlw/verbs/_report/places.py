"""Figures of answers that are places: of pixels, of objects on a picture, of items in a ranking, of steps in time.

Shape legend: N rows, K classes, H steps ahead, C channels, Q levels, S objects.
"""

from __future__ import annotations

import numpy as np

from dlw.metrics._box_matches import matches
from dlw.specs import VOID, Outcome
from dlw.verbs._report import charts
from dlw.verbs._report.html import Markup
from dlw.verbs._report.matrix import MOST_CLASSES, confusion

MOST_CURVES = 4
RANKS = (1, 2, 3, 5, 10, 20, 50, 100)
OVERLAP = 0.5


def pixels(outcome: Outcome, seed: int) -> list[Markup]:
    """Return which class the known pixels of each class are taken for, in per mille of all known pixels."""
    size = max(len(outcome.names), int(outcome.prediction.max()) + 1)
    if size > MOST_CLASSES:
        return []
    counts = np.zeros((size, size), np.int64)
    for said_HW, truth_HW in zip(outcome.prediction, outcome.target, strict=True):
        is_known = truth_HW != VOID
        flat = truth_HW[is_known].astype(np.int64) * size + said_HW[is_known]
        counts += np.bincount(flat, minlength=size * size).reshape(size, size)
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
    length = outcome.prediction.shape[1]
    is_hit_NR = outcome.prediction == np.where(outcome.target < 0, -2, outcome.target)[:, None]
    curve = [(float(rank), float(is_hit_NR[:, :rank].any(1).mean())) for rank in RANKS if rank <= length]
    caption = "share of rows (up) whose item is among the first of the ranking of all items (across)"
    return [charts.lines({"network": curve}, "places of the ranking", caption)] if len(curve) > 1 else []


def forecast(outcome: Outcome, seed: int) -> list[Markup]:
    """Return how the error grows with the steps ahead, in deviations of training where these are known."""
    return [_by_step(np.asarray(outcome.prediction, np.float64), outcome)]


def forecast_quantiles(outcome: Outcome, seed: int) -> list[Markup]:
    """Return the error of the middle level by step, and how often the truth lies below each level."""
    known = np.isfinite(outcome.target)
    is_below_NHCQ = outcome.target[..., None] <= outcome.prediction
    levels = np.array(outcome.levels)
    found = [(float(level), float(is_below_NHCQ[..., q][known].mean())) for q, level in enumerate(levels)]
    ideal = [(float(level), float(level)) for level in levels]
    caption = "share of true values below each quantile (up) by its level (across)"
    middle = int(np.abs(levels - 0.5).argmin())
    return [
        _by_step(np.asarray(outcome.prediction[..., middle], np.float64), outcome),
        charts.lines({"found": found, "ideal": ideal}, "level", caption),
    ]


def thinned(curve: list[tuple[float, float]], most: int = 400) -> list[tuple[float, float]]:
    """Return a curve of about `most` points at most, its last one kept."""
    return curve[:: max(1, len(curve) // most)] + curve[-1:]


def _by_step(said_NHC: np.ndarray, outcome: Outcome) -> Markup:
    scale_C = np.asarray(outcome.scale or (1.0,) * said_NHC.shape[2])
    error_NHC = np.abs(said_NHC - outcome.target) / np.where(scale_C > 0, scale_C, 1.0)
    known_NHC = np.isfinite(error_NHC)
    total_H = np.where(known_NHC, error_NHC, 0.0).sum((0, 2))
    count_H = known_NHC.sum((0, 2))
    curve = [(float(step + 1), float(total_H[step] / count_H[step])) for step in np.flatnonzero(count_H)]
    caption = "mean absolute error in training deviations (up) by steps ahead (across)"
    return charts.lines({"network": curve or [(1.0, 0.0)]}, "steps ahead", caption)
