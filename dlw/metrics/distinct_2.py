"""Distinct-2: how many of all pairs of words in the texts are different ones (Li et al. 2016, arXiv:1510.03055)."""

from __future__ import annotations

import numpy as np

from dlw.metrics import _distinct
from dlw.specs import Outcome

KINDS = ("texts",)
HIGHER_IS_BETTER = True


def compute(outcome: Outcome, weight: np.ndarray | None) -> float:
    """Return the metric; a text that weighs more is repeated."""
    return _distinct.share(outcome, 2, weight)


def drawn(outcome: Outcome, weight_RN: np.ndarray) -> np.ndarray:
    """Return what intervals are made of, float64 [R]."""
    return _distinct.drawn_share(outcome, 2, weight_RN)


def beside(outcome: Outcome) -> str:
    """Return the figure of the texts that were given, and of how much text."""
    return _distinct.of_given(outcome, 2)
