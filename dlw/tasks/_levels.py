"""Quantile levels, as the tasks that answer quantiles take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

Level = Annotated[float, Field(gt=0, lt=1)]


def check_levels(quantiles: Sequence[float] | None, loss: str | None) -> None:
    """ValueError where levels do not rise, or a point's loss is asked for beside them."""
    if quantiles is not None and list(quantiles) != sorted(set(quantiles)):
        raise ValueError("quantiles must rise, each level once")
    if quantiles is not None and loss is not None:
        raise ValueError("loss has no effect with quantiles, which use the pinball loss")


def middle(levels: Sequence[float]) -> int:
    """Return the place of the level nearest to 0.5, whose quantile is the point answer."""
    return int(np.argmin(np.abs(np.asarray(levels) - 0.5)))
