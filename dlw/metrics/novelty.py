"""How rare in training the first ten items of the rankings are: mean of -log2 of an item's share of all interactions.

Mean self-information (Zhou et al. 2010, doi:10.1073/pnas.1000488107). More is not better by itself.
"""

from __future__ import annotations

import numpy as np

from dlw.metrics._items import TOP
from dlw.specs import Outcome

KINDS = ("ranking",)
HIGHER_IS_BETTER = True


def per_row(outcome: Outcome) -> np.ndarray:
    """Return the mean of each row's first ten; 0 for a row without any."""
    counts = np.maximum(np.asarray(outcome.counts, np.float64), 1)
    bits = np.append(-np.log2(counts / counts.sum()), 0.0)
    top_NR = outcome.prediction[:, :TOP]
    return np.asarray(bits[top_NR].sum(1) / np.maximum((top_NR >= 0).sum(1), 1))
