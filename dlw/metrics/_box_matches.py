"""Average precision of boxes as COCO counts it (cocodataset.org/#detection-eval), for many resamples at once.

Which object finds which true box does not depend on the weight of a picture, so matching happens once; each resample is
then a matter of cumulative sums. The tests hold the figures against faster-coco-eval.
Shape legend: N pictures, D objects of a picture, M true boxes, T thresholds of overlap, S all objects, R resamples.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from dlw.metrics._weights import mean_where
from dlw.specs import Outcome

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
MOST_OF_A_CLASS = 100
"""Objects of one class that count on one picture, the best ones."""
PICTURES_AT_ONCE = 128


class ClassMatches(NamedTuple):
    """All objects of one class, best first: their picture [S], whether they found a box at each threshold [T, S]; and
    how many true boxes each picture holds [N]."""

    picture: np.ndarray
    is_hit: np.ndarray
    boxes: np.ndarray


def average_precision(outcome: Outcome, weight_RN: np.ndarray, thresholds_T: np.ndarray) -> np.ndarray:
    """Return the mean over classes and thresholds [R]; classes without a true box are left out."""
    found_K = list(matches(outcome, thresholds_T))
    if not found_K:
        return np.full(len(weight_RN), np.nan)
    precision_RK = np.array([[_of_class(found, weight_N) for found in found_K] for weight_N in weight_RN])
    return mean_where(np.nan_to_num(precision_RK), ~np.isnan(precision_RK))


def matches(outcome: Outcome, thresholds_T: np.ndarray) -> Iterator[ClassMatches]:
    """Match objects to true boxes picture by picture, and yield the classes that have a true box."""
    answer_ND6, truth_NM5 = outcome.prediction, outcome.target
    order_ND = np.argsort(-answer_ND6[..., 5], axis=1, kind="stable")
    answer_ND6 = np.take_along_axis(answer_ND6, order_ND[..., None], axis=1)
    is_hit_TND = np.zeros((len(thresholds_T), *answer_ND6.shape[:2]), bool)
    for start in range(0, len(answer_ND6), PICTURES_AT_ONCE):
        part = slice(start, start + PICTURES_AT_ONCE)
        is_hit_TND[:, part] = _hits(answer_ND6[part], truth_NM5[part], thresholds_T)
    for label in np.unique(truth_NM5[..., 0][truth_NM5[..., 0] >= 0]):
        is_class_ND = answer_ND6[..., 0] == label
        is_class_ND &= is_class_ND.cumsum(1) <= MOST_OF_A_CLASS
        picture_S = np.nonzero(is_class_ND)[0]
        best_S = np.argsort(-answer_ND6[..., 5][is_class_ND], kind="stable")
        boxes_N = (truth_NM5[..., 0] == label).sum(1)
        yield ClassMatches(picture_S[best_S], is_hit_TND[:, is_class_ND][:, best_S], boxes_N)


def _hits(answer_ND6: np.ndarray, truth_NM5: np.ndarray, thresholds_T: np.ndarray) -> np.ndarray:
    """Return which objects find a box [T, N, D]: best first, each takes the free box that it overlaps most."""
    overlap_NDM = _overlaps(answer_ND6, truth_NM5)
    least_T11 = np.minimum(thresholds_T, 1 - 1e-10)[:, None, None]
    boxes = truth_NM5.shape[1]
    is_free_TNM = np.ones((len(thresholds_T), len(truth_NM5), boxes), bool)
    is_hit_TND = np.zeros((len(thresholds_T), *answer_ND6.shape[:2]), bool)
    for place in range(answer_ND6.shape[1]):
        open_TNM = np.where(is_free_TNM, overlap_NDM[:, place], -1.0)
        best_TN = boxes - 1 - open_TNM[..., ::-1].argmax(2)  # of equals the last, as the reference does
        is_hit_TN = np.take_along_axis(open_TNM, best_TN[..., None], axis=2)[..., 0] >= least_T11[..., 0]
        is_hit_TND[..., place] = is_hit_TN
        threshold, picture = np.nonzero(is_hit_TN)
        is_free_TNM[threshold, picture, best_TN[threshold, picture]] = False
    return is_hit_TND


def _overlaps(answer_ND6: np.ndarray, truth_NM5: np.ndarray) -> np.ndarray:
    """Return intersection over union [N, D, M]; 0 between different classes."""
    one_ND14 = answer_ND6[:, :, None, 1:5].astype(np.float64)
    other_N1M4 = truth_NM5[:, None, :, 1:].astype(np.float64)
    sides_NDM2 = np.minimum(one_ND14[..., 2:], other_N1M4[..., 2:]) - np.maximum(one_ND14[..., :2], other_N1M4[..., :2])
    both_NDM = np.maximum(sides_NDM2, 0).prod(-1)
    areas = [(box_4[..., 2:] - box_4[..., :2]).prod(-1) for box_4 in (one_ND14, other_N1M4)]
    union_NDM = areas[0] + areas[1] - both_NDM
    is_same_NDM = (answer_ND6[:, :, None, 0] == truth_NM5[:, None, :, 0]) & (truth_NM5[:, None, :, 0] >= 0)
    return np.divide(both_NDM, union_NDM, out=np.zeros_like(both_NDM), where=is_same_NDM & (union_NDM > 0))


def _of_class(found: ClassMatches, weight_N: np.ndarray) -> float:
    """Return the mean precision at 101 recalls over the thresholds; NaN where no true box has weight."""
    total = float(weight_N @ found.boxes)
    if total == 0:
        return float("nan")
    weight_S = weight_N[found.picture]
    hit_TS = np.cumsum(weight_S * found.is_hit, axis=1)
    taken_S = np.cumsum(weight_S)
    precision_TS = np.divide(hit_TS, taken_S, out=np.zeros_like(hit_TS), where=taken_S > 0)
    precision_TS = np.maximum.accumulate(precision_TS[:, ::-1], axis=1)[:, ::-1]
    sums = 0.0
    for recall_S, curve_S in zip(hit_TS / total, precision_TS, strict=True):
        places = np.searchsorted(recall_S, RECALLS, side="left")
        sums += float(curve_S[places[places < len(curve_S)]].sum())
    return sums / (len(RECALLS) * len(hit_TS))
