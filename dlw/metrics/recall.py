"""Share of the true positives that are found; of more than two classes or of labels their mean."""

from __future__ import annotations

from dlw.metrics._confusion import is_positive, true_rate

KINDS = ("classes", "labels")
HIGHER_IS_BETTER = True

counted = is_positive
resampled = true_rate
