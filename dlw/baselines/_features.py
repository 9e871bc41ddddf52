"""Packed arrays as one matrix of features, for learners that know only matrices.

Numbers: gaps filled by the median and flagged, then standardised. Categories: one column per value. Pictures: mean
over blocks so that no side exceeds 32 pixels, scaled to 0..1. Series: resampled to 16 points. Recordings: log-spectra
averaged over sixths, and the logarithm of the length, standardised. Everything is fitted on the training rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dlw.baselines._spectra import NUM_FEATURES, spectra
from dlw.specs import Arrays, FieldSpec

MAX_SIDE = 32
POINTS = 16
MAX_DENSE_COLUMNS = 2000
"""With more category columns than this the matrix is sparse."""

Part = Callable[[np.ndarray], Any]


class Features:
    """Turns arrays into a matrix [N, F], dense float32 or scipy CSR."""

    def __init__(self, train: Arrays, specs: Mapping[str, FieldSpec]) -> None:
        self._parts: dict[str, Part] = {}
        self.is_sparse = sum(sum(spec.sizes) for spec in specs.values()) > MAX_DENSE_COLUMNS
        for name, spec in specs.items():
            if spec.kind == "number":
                self._parts[name] = _numbers(train[name])
            elif spec.kind == "category":
                self._parts[name] = self._categories(spec)
            elif spec.kind == "labels":
                self._parts[name] = lambda array: array.astype(np.float32)
            elif spec.kind == "series":
                self._parts[name] = _series(train[name])
            elif spec.kind == "sound":
                self._parts[name] = _scaled(train[name], spectra)
            else:
                assert spec.kind == "image", spec.kind
                self._parts[name] = _pictures

    def __call__(self, arrays: Arrays) -> Any:
        """Return the matrix [N, F]."""
        blocks = [part(arrays[name]) for name, part in self._parts.items()]
        if not self.is_sparse:
            return np.concatenate(blocks, axis=1)
        from scipy import sparse

        return sparse.hstack([sparse.csr_matrix(block) for block in blocks], format="csr")

    def _categories(self, spec: FieldSpec) -> Part:
        from scipy import sparse

        offsets = np.concatenate([[0], np.cumsum(spec.sizes)])

        def one_hot(ids_NF: np.ndarray) -> Any:
            rows, columns = ids_NF.shape
            places = (ids_NF + offsets[:-1]).ravel()
            starts = np.arange(rows + 1) * columns
            matrix = sparse.csr_matrix((np.ones(places.size, np.float32), places, starts), (rows, int(offsets[-1])))
            return matrix if self.is_sparse else matrix.toarray()

        return one_hot


def width(specs: Mapping[str, FieldSpec]) -> int:
    """Return how many values of a row a learner has to touch: the cost of a row."""
    total = 0
    for spec in specs.values():
        if spec.kind == "image":
            step = _step(spec.shape[1:])
            total += spec.shape[0] * -(-spec.shape[1] // step) * -(-spec.shape[2] // step)
        elif spec.kind == "series":
            total += (POINTS + 2) * spec.shape[1]
        elif spec.kind == "sound":
            total += NUM_FEATURES
        else:
            total += 2 * spec.shape[0] + min(sum(spec.sizes), MAX_DENSE_COLUMNS)
    return max(total, 1)


def _numbers(train_NF: np.ndarray) -> Part:
    known_NF = ~np.isnan(train_NF)
    middle_F = np.array([np.median(column[known]) if known.any() else 0.0 for column, known in _columns(train_NF)])
    filled_NF = np.where(known_NF, train_NF, middle_F).astype(np.float64)
    mean_F, std_F = filled_NF.mean(0), filled_NF.std(0)
    std_F[std_F == 0] = 1.0
    has_gaps_F = ~known_NF.all(0)

    def scaled(array_NF: np.ndarray) -> np.ndarray:
        gaps_NF = np.isnan(array_NF)
        values_NF = (np.where(gaps_NF, middle_F, array_NF) - mean_F) / std_F
        return np.concatenate([values_NF, gaps_NF[:, has_gaps_F]], axis=1, dtype=np.float32)

    return scaled


def _series(train_NTC: np.ndarray) -> Part:
    numbers = _numbers(_shapes(train_NTC))
    return lambda array_NTC: numbers(_shapes(array_NTC))


def _shapes(array_NTC: np.ndarray) -> np.ndarray:
    """Return each channel at POINTS even places between its first and last known step, its mean and its deviation."""
    found = np.full((len(array_NTC), array_NTC.shape[2], POINTS + 2), np.nan, np.float32)
    for row, channel in np.ndindex(found.shape[:2]):
        values_T = array_NTC[row, :, channel]
        known = np.flatnonzero(~np.isnan(values_T))
        if len(known):
            places = np.linspace(known[0], known[-1], POINTS)
            found[row, channel, :POINTS] = np.interp(places, known, values_T[known])
            found[row, channel, POINTS:] = values_T[known].mean(), values_T[known].std()
    return found.reshape(len(found), -1)


def _scaled(train: np.ndarray, measure: Part) -> Part:
    """Return a part that standardises what is measured of each row."""
    measured_NF = measure(train)
    mean_F, std_F = measured_NF.mean(0), measured_NF.std(0)
    std_F[std_F == 0] = 1.0
    return lambda array: np.asarray((measure(array) - mean_F) / std_F, np.float32)


def _columns(array_NF: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(column, ~np.isnan(column)) for column in array_NF.T]


def _step(shape: tuple[int, ...]) -> int:
    return -(-max(shape) // MAX_SIDE)


def _pictures(image_NCHW: np.ndarray) -> np.ndarray:
    step = _step(image_NCHW.shape[2:])
    if step > 1:
        rows, columns = (np.arange(0, side, step) for side in image_NCHW.shape[2:])
        sums = np.add.reduceat(image_NCHW.astype(np.float32), rows, axis=2)
        sums = np.add.reduceat(sums, columns, axis=3)
        areas = np.diff([*rows, image_NCHW.shape[2]])[:, None] * np.diff([*columns, image_NCHW.shape[3]])
        image_NCHW = sums / areas
    return np.asarray(image_NCHW.reshape(len(image_NCHW), -1) / 255.0, np.float32)
