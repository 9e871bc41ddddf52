"""Probabilities that can be trusted, and the decision that costs least: both found on the validation split.

Shape legend: N rows, K classes, L labels, M scores with a known truth.
"""

from __future__ import annotations

import numpy as np

from dlw.specs import Outcome

COLDEST, HOTTEST = 0.1, 10.0
"""Temperatures that are tried: without a limit a split that is answered without a mistake would ask for none at all."""
HALVINGS = 50
TINY = 1e-30
"""The least probability that is told from 0, in the logarithm."""


def tempered(prediction: np.ndarray, kind: str, temperature: float) -> np.ndarray:
    """Return p^(1/T), made to add up to 1 again, of classes [N, K], or of each label [N, L] and its contrary.

    The same as dividing the logits by T (Guo et al. 2017, arXiv:1706.04599, equation 9); of an ensemble the mean
    probabilities are taken, which is the better order (Rahaman and Thiery 2021, arXiv:2007.08792).
    """
    p = np.asarray(prediction, np.float64)
    choices = np.stack([1.0 - p, p], axis=-1) if kind == "labels" else p
    changed = _softmax(np.log(np.maximum(choices, TINY)) / temperature)
    return np.asarray(changed[..., 1] if kind == "labels" else changed, prediction.dtype)


def best_temperature(outcome: Outcome) -> float:
    """Return the temperature of the least log loss: the loss is convex in 1/T, so its slope is halved down to 0."""
    choices = outcome.choices
    log_p_MK = np.log(np.maximum(np.asarray(choices.prediction, np.float64), TINY))
    truth_M = np.take_along_axis(log_p_MK, choices.target[:, None], axis=1).sum()

    def slope(inverse: float) -> float:
        return float((_softmax(inverse * log_p_MK) * log_p_MK).sum() - truth_M)

    low, high = 1.0 / HOTTEST, 1.0 / COLDEST
    for _ in range(HALVINGS):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return float(1.0 / (low * high) ** 0.5)


def cheapest_threshold(score_M: np.ndarray, yes_M: np.ndarray, false_positive: float, false_negative: float) -> float:
    """Return the threshold of the lowest cost on these rows: yes from it on.

    Tried are the middles between neighbouring scores, all or nothing, and the threshold that is best where
    probabilities are true, false_positive / (false_positive + false_negative) (Elkan 2001, equation 2); of equals the
    one nearest to that.
    """
    expected = false_positive / (false_positive + false_negative)
    score_M = np.asarray(score_M, np.float64)
    order_M = np.argsort(score_M, kind="stable")
    sorted_M = score_M[order_M]
    missed_below = np.concatenate([[0], np.cumsum(yes_M[order_M])])
    refused_below = np.arange(len(sorted_M) + 1) - missed_below
    steps = np.flatnonzero(np.diff(sorted_M) > 0)
    tried = np.concatenate([[expected, 0.0, 1.0], (sorted_M[steps] + sorted_M[steps + 1]) / 2])
    below = np.searchsorted(sorted_M, tried, side="left")
    cost = false_negative * missed_below[below] + false_positive * (refused_below[-1] - refused_below[below])
    best = tried[cost == cost.min()]
    return float(best[np.abs(best - expected).argmin()])


def _softmax(logits: np.ndarray) -> np.ndarray:
    grown = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(grown / grown.sum(-1, keepdims=True))
