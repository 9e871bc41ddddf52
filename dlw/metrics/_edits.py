"""What the metrics of transcripts share: edits between answer and truth. Shape legend: N rows, R resamples."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dlw.metrics._weights import ratio
from dlw.specs import Outcome

Cut = Callable[[str], Sequence[str]]
"""Text to the parts that are counted: characters or words."""


def distance(answer: Sequence[str], truth: Sequence[str]) -> int:
    """Return the fewest insertions, deletions and substitutions between two sequences (Levenshtein 1966)."""
    codes = {part: place for place, part in enumerate(dict.fromkeys([*answer, *truth]))}
    wanted = np.array([codes[part] for part in truth], np.int64)
    place = np.arange(len(wanted) + 1)
    cost = place.copy()
    for part in answer:
        replaced = cost[:-1] + (wanted != codes[part])
        cost = np.concatenate([cost[:1] + 1, np.minimum(cost[1:] + 1, replaced)])
        cost = np.minimum.accumulate(cost - place) + place  # insertions, from the left on
    return int(cost[-1])


def counts(outcome: Outcome, cut: Cut) -> tuple[np.ndarray, np.ndarray]:
    """Return the edits and the parts of the truth, float64 [N] each."""
    pairs = [
        (cut(str(answer)), cut(str(truth))) for answer, truth in zip(outcome.prediction, outcome.target, strict=True)
    ]
    edits = [distance(answer, truth) for answer, truth in pairs]
    return np.array(edits, np.float64), np.array([len(truth) for _, truth in pairs], np.float64)


def rate(outcome: Outcome, cut: Cut, weight_RN: np.ndarray) -> np.ndarray:
    """Return edits over parts of the truth, float64 [R], NaN where the truth is empty."""
    edits_N, parts_N = counts(outcome, cut)
    return ratio(weight_RN @ edits_N, weight_RN @ parts_N)
