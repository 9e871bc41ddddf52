"""What the metrics of numbers share. Shape legend: N rows, T targets (or steps and columns of a forecast), Q levels."""

from __future__ import annotations

import numpy as np

from dlw.specs import Outcome

FORECASTS = ("forecast", "forecast_quantiles")


def point(outcome: Outcome) -> np.ndarray:
    """Return the point answer [N, T]: the value itself, or the quantile whose level is nearest to 0.5."""
    if outcome.kind in ("values", "forecast"):
        return outcome.prediction
    return outcome.prediction[..., int(np.argmin(np.abs(np.asarray(outcome.levels) - 0.5)))]


def error(outcome: Outcome) -> np.ndarray:
    """Return point answer minus truth [N, T]; of forecasts in training deviations, NaN where the truth is unknown."""
    difference = point(outcome) - outcome.target
    if outcome.kind not in FORECASTS:
        return np.asarray(difference)
    return (difference / np.asarray(outcome.scale, np.float32)).reshape(len(difference), -1)


def row_mean(values_NT: np.ndarray) -> np.ndarray:
    """Return the mean of each row over its known values, float64 [N]."""
    is_known_NT = ~np.isnan(values_NT)
    if is_known_NT.all():
        return np.asarray(values_NT.mean(1, dtype=np.float64))
    return np.asarray(np.where(is_known_NT, values_NT, 0).sum(1, dtype=np.float64) / np.maximum(is_known_NT.sum(1), 1))


def pinball(outcome: Outcome) -> np.ndarray:
    """Return the pinball loss of each row [N], averaged over targets and levels; of forecasts in deviations."""
    level_Q = np.asarray(outcome.levels)
    difference = outcome.target[..., None] - outcome.prediction
    if outcome.kind in FORECASTS:
        difference = difference / np.asarray(outcome.scale)[:, None]
    loss = np.maximum(level_Q * difference, (level_Q - 1.0) * difference).mean(-1)
    return row_mean(loss.reshape(len(loss), -1))
