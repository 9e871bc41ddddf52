"""Share of rows whose nearest other row is of their class; among episodes, the share of right one-shot answers.

Rows without another row of their class have nothing to find and are left out.
"""

from __future__ import annotations

import numpy as np

from dlw.metrics._neighbours import by_row, is_nearest_right, mean_of_known
from dlw.specs import Outcome

KINDS = ("vectors",)
HIGHER_IS_BETTER = True


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the share [R]; all rows stay to be found, whatever their weight as searchers."""
    return mean_of_known(by_row(outcome, is_nearest_right), weight_RN)
