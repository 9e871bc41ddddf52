"""True positive rate: recall by its name in fairness; equal between groups is equal opportunity (arXiv:1610.02413)."""

from __future__ import annotations

from dlw.metrics._confusion import is_positive, true_rate

KINDS = ("classes", "labels")
HIGHER_IS_BETTER = True

counted = is_positive
resampled = true_rate
