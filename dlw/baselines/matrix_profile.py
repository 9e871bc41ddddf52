"""Distance of a window to the nearest other window of its recording, shapes only (matrix profile).

Yeh et al. 2016, doi:10.1109/ICDM.2016.0179: windows are brought to mean 0 and deviation 1; of the windows to be judged,
those that overlap by half or more are no neighbours. Training windows are neighbours, too.
"""

from __future__ import annotations

import numpy as np

from dlw.baselines._base import Answer, Ask
from dlw.specs import Arrays

KINDS = ("scores",)
INPUTS = ("series",)

AT_ONCE = 512
MOST_TRAIN = 2000
"""Training windows per recording, evenly taken."""
SMALLEST = 1e-6


def predict(train: Arrays, target: np.ndarray, test: Arrays, ask: Ask) -> Answer:
    """Score each row by the squared distance to its nearest neighbour over the length."""
    ((name, spec),) = ask.specs.items()
    length = spec.shape[0]
    score_N = np.zeros(len(test[name]))
    for group in [None] if ask.test_group is None else np.unique(ask.test_group):
        rows = np.arange(len(score_N)) if group is None else np.flatnonzero(ask.test_group == group)
        known = np.arange(len(train[name])) if group is None else np.flatnonzero(ask.train_group == group)
        known = known[np.unique(np.linspace(0, len(known) - 1, MOST_TRAIN).astype(np.int64))] if len(known) else known
        score_N[rows] = _profile(_shapes(test[name][rows]), _shapes(train[name][known]), length // 2)
    return Answer(score_N, f"windows of {length} steps, nearest of the same recording")


def _profile(shape_NF: np.ndarray, known_MF: np.ndarray, near: int) -> np.ndarray:
    size_N, size_M = (np.square(part).sum(1) for part in (shape_NF, known_MF))
    nearest_N = np.full(len(shape_NF), np.inf)
    place_N = np.arange(len(shape_NF))
    for start in range(0, len(shape_NF), AT_ONCE):
        here = slice(start, start + AT_ONCE)
        distance = size_N[here, None] + size_N - 2 * shape_NF[here] @ shape_NF.T
        distance[np.abs(place_N[here, None] - place_N) < near] = np.inf
        nearest_N[here] = distance.min(1)
        if len(known_MF):
            distance = size_N[here, None] + size_M - 2 * shape_NF[here] @ known_MF.T
            nearest_N[here] = np.minimum(nearest_N[here], distance.min(1))
    return np.where(np.isinf(nearest_N), 0.0, nearest_N.clip(min=0)) / shape_NF.shape[1]


def _shapes(window_NTC: np.ndarray) -> np.ndarray:
    """Return windows of mean 0 and deviation 1 per channel, gaps at the mean: [N, T * C]."""
    known_NTC = ~np.isnan(window_NTC)
    count_N1C = known_NTC.sum(1, keepdims=True).clip(min=1)
    filled_NTC = np.where(known_NTC, window_NTC, 0.0).astype(np.float64)
    centred_NTC = np.where(known_NTC, filled_NTC - filled_NTC.sum(1, keepdims=True) / count_N1C, 0.0)
    std_N1C = np.sqrt(np.square(centred_NTC).sum(1, keepdims=True) / count_N1C)
    flat_NTC = centred_NTC / np.where(std_N1C > SMALLEST, std_N1C, 1.0)
    return flat_NTC.reshape(len(window_NTC), -1).astype(np.float32)
