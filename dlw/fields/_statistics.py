"""What a network is told of a number column: mean, standard deviation, quantiles, bin edges."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlw.specs import FieldSpec

NUM_EDGES = 65
"""Borders of at most 64 bins for piecewise-linear embeddings (Gorishniy et al. 2022, arXiv:2203.05556, section 3.2)."""


def describe(known: np.ndarray) -> dict[str, Any]:
    """Return mean, std, quantiles and edges of float32 values without gaps, computed in float64."""
    exact = known.astype(np.float64)
    quantiles = np.quantile(exact, np.linspace(0, 1, NUM_EDGES))
    return {
        "mean": float(exact.mean()),
        "std": float(exact.std()),
        "quantiles": quantiles.tolist(),
        "edges": bin_edges(exact).tolist(),
    }


def bin_edges(values: np.ndarray) -> np.ndarray:
    """Return at most 65 rising edges: all values if they are few, else the frequent ones and quantiles of the rest.

    Plain quantiles would fall together on a value that fills half the column and leave the other half unresolved.
    """
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) <= NUM_EDGES:
        return distinct
    frequent = distinct[counts * (NUM_EDGES - 1) >= len(values)]
    rest = values[~np.isin(values, frequent)]
    between = np.quantile(rest, np.linspace(0, 1, NUM_EDGES - len(frequent)), method="nearest")
    return np.unique(np.concatenate([frequent, between]))


def nothing(kind: str) -> FieldSpec:
    """Describe a dropped column: no values at all."""
    dtypes = {"number": "float32", "category": "int64", "labels": "int8", "tokens": "int32"}
    return FieldSpec(kind, (0,), dtypes[kind])
