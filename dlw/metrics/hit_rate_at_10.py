"""Share of rows whose item is among the first ten of the ranking of all items (full ranking, not sampled)."""

from __future__ import annotations

import numpy as np

from dlw.metrics._items import TOP, places
from dlw.specs import Outcome

KINDS = ("ranking",)
HIGHER_IS_BETTER = True


def per_row(outcome: Outcome) -> np.ndarray:
    """Return 1 where the item is among the first ten."""
    return (places(outcome) < TOP).astype(np.float64)
