"""Exact search among vectors: for each answered row, the rows of an index that lie nearest by cosine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

VECTOR = "vector"
QUERIES_AT_ONCE = 256

Columns = Mapping[str, list[Any]]


def nearest(queries: Columns, index: Columns, count: int) -> dict[str, list[Any]]:
    """Return `count` lines per query, best first: its columns, `rank` from 1, `match`, `match_row` and `similarity`.

    Both hold the columns `file`, `row` and `vector` (of length 1). A row is never its own match.
    """
    found = np.asarray(index[VECTOR], np.float32)
    places: dict[tuple[Path, int], int] = {}
    for place, (file, row) in enumerate(zip(index["file"], index["row"], strict=True)):
        places[Path(file).absolute(), row] = place
    kept = [name for name in queries if name != VECTOR]
    columns: dict[str, list[Any]] = {name: [] for name in (*kept, "rank", "match", "match_row", "similarity")}
    for start in range(0, len(queries[VECTOR]), QUERIES_AT_ONCE):
        asked = np.asarray(queries[VECTOR][start : start + QUERIES_AT_ONCE], np.float32)
        for query, similarity in enumerate(asked @ found.T, start=start):
            itself = places.get((Path(queries["file"][query]).absolute(), queries["row"][query]))
            order = [place for place in _best(similarity, count + 1) if place != itself][:count]
            for rank, place in enumerate(order, start=1):
                for name in kept:
                    columns[name].append(queries[name][query])
                columns["rank"].append(rank)
                columns["match"].append(index["file"][place])
                columns["match_row"].append(index["row"][place])
                columns["similarity"].append(float(similarity[place]))
    return columns


def _best(similarity: np.ndarray, count: int) -> list[int]:
    """Return the places of the largest values, best first, of equals the first."""
    if count < len(similarity):
        floor = np.partition(similarity, -count)[-count]
        chosen = np.flatnonzero(similarity >= floor)
    else:
        chosen = np.arange(len(similarity))
    order: list[int] = chosen[np.argsort(-similarity[chosen], kind="stable")][:count].tolist()
    return order
