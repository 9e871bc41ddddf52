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
    """Return point answer minus truth [N, ...]; of forecasts in training deviations, NaN where the truth is unknown."""
    difference = point(outcome) - outcome.target
    return difference / np.asarray(outcome.scale, np.float32) if outcome.kind in FORECASTS else difference


def row_mean(values: np.ndarray) -> np.ndarray:
    """Return the mean of each row's known values: [N, ...] to float64 [N]."""
    axes = tuple(range(1, values.ndim))
    is_known = ~np.isnan(values)
    if is_known.all():
        return np.asarray(values.mean(axes, dtype=np.float64))
    return np.asarray(np.where(is_known, values, 0).sum(axes, dtype=np.float64) / np.maximum(is_known.sum(axes), 1))


def pinball(outcome: Outcome) -> np.ndarray:
    """Return the pinball loss of each row [N], averaged over targets and levels; of forecasts in deviations."""
    level_Q = np.asarray(outcome.levels)
    difference = outcome.target[..., None] - outcome.prediction
    if outcome.kind in FORECASTS:
        difference = difference / np.asarray(outcome.scale)[:, None]
    return row_mean(np.maximum(level_Q * difference, (level_Q - 1.0) * difference).mean(-1))
