"""Random forest (scikit-learn) on circular fingerprints of molecules, as ECFP4."""

from __future__ import annotations

import numpy as np

from dlw.baselines._base import Answer, Ask
from dlw.baselines._fingerprints import BITS, fingerprints
from dlw.baselines._rows import sample, told
from dlw.specs import Arrays

KINDS = ("classes", "labels", "values")
INPUTS = ("graph",)
TREES = 100
MAX_ROWS = 10_000


def predict(train: Arrays, target: np.ndarray, test: Arrays, ask: Ask) -> Answer:
    """Fit 100 trees, of several labels for each where it is known."""
    rows = sample(target, MAX_ROWS, ask.seed, has_classes=ask.kind == "classes")
    ((name, spec),) = ask.specs.items()
    matrix, probe = (fingerprints(array, len(spec.sizes) - 1) for array in (train[name][rows], test[name]))
    chosen = target[rows]
    if ask.kind == "values":
        prediction = _values(matrix, chosen, probe, ask)
    elif ask.kind == "classes":
        prediction = _classes(matrix, chosen, probe, ask.size, ask.seed)
    else:
        known = [np.flatnonzero(label >= 0) for label in chosen.T]
        prediction = np.stack(
            [
                _classes(matrix[of], (chosen[of, place] > 0).astype(np.int64), probe, 2, ask.seed)[:, 1]
                for place, of in enumerate(known)
            ],
            axis=1,
        )
    used = told(len(rows), ask.of_rows or len(target))
    return Answer(prediction, f"random forest of {TREES} trees on circular fingerprints of {BITS} counts, {used}")


def _values(matrix: np.ndarray, target: np.ndarray, probe: np.ndarray, ask: Ask) -> np.ndarray:
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(TREES, max_features=1 / 3, random_state=ask.seed)
    return np.asarray(forest.fit(matrix, target.squeeze()).predict(probe), np.float64).reshape(len(probe), ask.size)


def _classes(matrix: np.ndarray, target: np.ndarray, probe: np.ndarray, size: int, seed: int) -> np.ndarray:
    from sklearn.ensemble import RandomForestClassifier

    answer = np.zeros((len(probe), size))
    seen = np.unique(target)
    if len(seen):
        answer[:, seen] = RandomForestClassifier(TREES, random_state=seed).fit(matrix, target).predict_proba(probe)
    return answer
