"""Mean of one over the place of the item that followed, in the ranking of all items; 0 where the ranking ends before.

Rankings are kept to the first hundred places.
"""

from __future__ import annotations

import numpy as np

from dlw.metrics._items import places
from dlw.specs import Outcome

KINDS = ("ranking",)
HIGHER_IS_BETTER = True


def per_row(outcome: Outcome) -> np.ndarray:
    """Return one over each row's place."""
    return 1 / (places(outcome) + 1)
