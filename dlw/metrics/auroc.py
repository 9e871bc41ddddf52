"""Area under the ROC curve; of more than two classes the mean of one against the rest, of labels their mean."""

from __future__ import annotations

import numpy as np

from dlw.metrics import _ranking
from dlw.specs import Outcome

KINDS = ("classes", "labels", "scores")
HIGHER_IS_BETTER = True


def resampled(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return the area [R]; classes without both answers in the truth are left out of the mean."""
    return _ranking.by_class(_ranking.auroc, outcome, weight_RN)
