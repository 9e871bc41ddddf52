"""Forecasts that repeat a part of the history. Shape legend: N rows, T steps, H steps ahead, C channels, Q levels."""

from __future__ import annotations

import numpy as np

from dlw.baselines._base import Answer, Ask
from dlw.specs import Arrays

MAX_ROWS = 2000
"""Training windows, evenly taken, whose errors make the quantiles."""


def history(arrays: Arrays, ask: Ask) -> np.ndarray:
    """Return the channels to forecast, float32 [N, T, C], with gaps filled by the last value known before."""
    wanted = set(ask.names)
    name = next(n for n, spec in ask.specs.items() if spec.kind == "series" and wanted <= set(spec.columns))
    order = [ask.specs[name].columns.index(column) for column in ask.names]
    values_NTC = arrays[name][:, :, order]
    place_NTC = np.where(np.isnan(values_NTC), 0, np.arange(values_NTC.shape[1])[:, None])
    filled_NTC = np.take_along_axis(values_NTC, np.maximum.accumulate(place_NTC, axis=1), axis=1)
    mean_C = np.asarray(ask.specs[name].statistics["mean"], np.float32)[order]
    return np.where(np.isnan(filled_NTC), mean_C, filled_NTC)


def repeated(train: Arrays, target: np.ndarray, test: Arrays, ask: Ask, steps: int, note: str) -> Answer:
    """Repeat the last `steps` of each history; quantiles add those of the training errors, step by step."""
    ahead = target.shape[1]

    def point(arrays: Arrays) -> np.ndarray:
        last_NTC = history(arrays, ask)[:, -steps:]
        times = -(-ahead // last_NTC.shape[1])
        return np.tile(last_NTC, (1, times, 1))[:, :ahead]

    found_NHC = point(test)
    if ask.kind == "forecast":
        return Answer(found_NHC, note)
    rows = np.unique(np.linspace(0, len(target) - 1, MAX_ROWS).astype(np.int64))
    errors = target[rows] - point({name: array[rows] for name, array in train.items()})
    spread_HCQ = np.moveaxis(np.nan_to_num(np.nanquantile(errors, ask.levels, axis=0)), 0, -1)
    note = f"{note}, quantiles of the errors on {len(rows):,} windows"
    return Answer((found_NHC[..., None] + spread_HCQ).astype(np.float32), note)
