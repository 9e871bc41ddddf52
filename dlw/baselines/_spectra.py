"""What a recording sounds like in a few numbers. Shape legend: N rows, T samples, W windows, F frequencies."""

from __future__ import annotations

import numpy as np

from dlw.ragged import lengths

PARTS, BANDS, WINDOW = 6, 32, 256
NUM_FEATURES = PARTS * BANDS + 1
SOFTEST = 1.0
"""Added to the size of a band before the logarithm, in sample values."""


def spectra(sound_NT: np.ndarray) -> np.ndarray:
    """Return the mean log-spectrum of each sixth of a recording and the logarithm of its length, float64 [N, features].

    The bands are equally wide; windows of 256 samples lie side by side.
    """
    steps = lengths(sound_NT, "sound")
    return np.stack([_one(row_T[:count]) for row_T, count in zip(sound_NT, steps, strict=True)])


def _one(row_T: np.ndarray) -> np.ndarray:
    windows = max(PARTS, -(-len(row_T) // WINDOW))
    padded = np.zeros(windows * WINDOW)
    padded[: len(row_T)] = row_T
    size_WF = np.abs(np.fft.rfft(padded.reshape(windows, WINDOW) * np.hanning(WINDOW)))[:, 1:]
    band_WF = np.log(size_WF.reshape(windows, BANDS, -1).mean(2) + SOFTEST)
    parts = [part.mean(0) for part in np.array_split(band_WF, PARTS)]
    return np.concatenate([*parts, [np.log(len(row_T) + 1.0)]])
