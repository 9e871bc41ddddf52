"""Discounted gain of the one item that followed, within the first ten of the ranking of all items (not sampled).

1 / log2(place + 1) with places from 1, 0 behind the tenth (Järvelin and Kekäläinen 2002, doi:10.1145/582415.582418).
"""

from __future__ import annotations

import numpy as np

from dlw.metrics._items import TOP, places
from dlw.specs import Outcome

KINDS = ("ranking",)
HIGHER_IS_BETTER = True


def per_row(outcome: Outcome) -> np.ndarray:
    """Return the gain of each row."""
    place_N = places(outcome)
    return np.where(place_N < TOP, 1 / np.log2(place_N + 2), 0.0)
