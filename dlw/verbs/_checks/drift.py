"""Columns whose values differ between train and the rows that judge: the score then speaks of other data.

Numbers by the Kolmogorov-Smirnov distance, categories by total variation, pictures by the brightness of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from dlw.specs import Arrays, FieldSpec
from dlw.verbs._checks.findings import Finding

LEAST = 0.1
"""Distance, of 1, below which a difference is too small to matter."""
BY_CHANCE = 1.95
"""Kolmogorov's critical value at a level of 0.001: larger distances do not come about by chance (Smirnov 1948)."""


def drifts(arrays: Mapping[str, Arrays], specs: Mapping[str, FieldSpec]) -> Iterator[Finding]:
    """Find the columns of validation and test that are distributed otherwise than in train."""
    for later in ("validation", "test"):
        if later not in arrays:
            continue
        told = [
            f"{name} ({distance:.2f})"
            for name, distance, least in _distances(arrays["train"], arrays[later], specs)
            if distance > max(LEAST, least)
        ]
        if told:
            shown = ", ".join(told[:8]) + (f" and {len(told) - 8} more" if len(told) > 8 else "")
            text = f"{later} is distributed otherwise than train (distance, 1 is the most): {shown}"
            yield Finding("drift", "warning", text)


def _distances(train: Arrays, other: Arrays, specs: Mapping[str, FieldSpec]) -> Iterator[tuple[str, float, float]]:
    """Yield each column's name, its distance and the distance that chance alone may give."""
    for group, spec in specs.items():
        left, right = train[group], other[group]
        chance = BY_CHANCE * float(np.sqrt((len(left) + len(right)) / (len(left) * len(right))))
        if spec.kind == "number":
            for place, name in enumerate(spec.columns):
                yield name, _kolmogorov(left[:, place], right[:, place]), chance
        elif spec.kind == "category":
            for place, name in enumerate(spec.columns):
                size = spec.sizes[place]
                chance_of_many = chance * np.sqrt(size) / 2
                yield name, _variation(left[:, place], right[:, place], size), float(chance_of_many)
        elif spec.kind == "image":
            yield (
                f"brightness of {group}",
                _kolmogorov(*(part.reshape(len(part), -1).mean(1) for part in (left, right))),
                chance,
            )


def _kolmogorov(left: np.ndarray, right: np.ndarray) -> float:
    """Return the largest gap between two empirical distributions; a gap counts as a value below all others."""
    left, right = (np.nan_to_num(part.astype(np.float64), nan=-np.inf, neginf=-np.inf) for part in (left, right))
    points = np.concatenate([left, right])
    shares = (np.searchsorted(np.sort(part), points, side="right") / len(part) for part in (left, right))
    return float(np.abs(np.subtract(*shares)).max())


def _variation(left: np.ndarray, right: np.ndarray, size: int) -> float:
    shares = (np.bincount(part, minlength=size) / len(part) for part in (left, right))
    return float(np.abs(np.subtract(*shares)).sum() / 2)
