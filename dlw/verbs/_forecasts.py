"""Forecasts as a long table: one row per step ahead, beside what tells the recording and its last moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlw.recipe.schema import Block

STEP = "step"


def are_forecasts(output: str) -> bool:
    """Tell whether answers of this kind of output hold several steps per row."""
    return output == "forecast"


def told_apart(source: Block | None, columns: Sequence[str]) -> list[str]:
    """Return the columns that name the recording of a row and its moment, as the source says."""
    options = source.options if source is not None and source.type == "series" else {}
    named = [options.get("by"), options.get("order")]
    return [str(name) for name in named if name in columns]


def in_steps(
    beside: Mapping[str, Sequence[Any]], decoded: Mapping[str, Any], unseen: Sequence[str | None]
) -> tuple[dict[str, list[Any]], list[str | None]]:
    """Return columns with one row per step, `step` counted from 1: what stands beside is repeated."""
    count, ahead = np.shape(next(iter(decoded.values())))
    columns: dict[str, list[Any]] = {}
    for name, values in beside.items():
        columns[name] = [value for value in values for _ in range(ahead)]
    columns[STEP if STEP not in columns else f"predicted_{STEP}"] = list(range(1, ahead + 1)) * count
    for name, steps in decoded.items():
        columns[name if name not in columns else f"predicted_{name}"] = np.asarray(steps).reshape(-1).tolist()
    return columns, [value for value in unseen for _ in range(ahead)]
