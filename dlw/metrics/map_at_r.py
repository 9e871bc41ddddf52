"""Mean average precision at R: how purely the R nearest rows are of the own class, R being all there are of it.

Musgrave, Belongie and Lim 2020, arXiv:2003.08505, equation 3: (1 / R) sum over the first R places of the precision
there, counting only places that are right. Rows without another row of their class are left out.
"""

from __future__ import annotations

import numpy as np

from dlw.metrics._neighbours import by_row, mean_of_known
from dlw.specs import Outcome

KINDS = ("vectors",)
HIGHER_IS_BETTER = True


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the mean [R]; all rows stay to be found, whatever their weight as searchers."""
    return mean_of_known(by_row(outcome, _average_precision), weight_RN)


def _average_precision(similarity: np.ndarray, is_same: np.ndarray) -> np.ndarray:
    count = is_same.sum(1)
    depth = int(count.max(initial=0))
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :depth]
    place = np.arange(1, depth + 1)
    hits = np.take_along_axis(is_same, nearest, axis=1) & (place <= count[:, None])
    return np.asarray((hits * (hits.cumsum(1) / place)).sum(1) / np.maximum(count, 1))
