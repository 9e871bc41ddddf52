"""What each column adds to the score, on average over all orders in which columns become known (Shapley values).

A column that is not known takes the value it has in rows of the training split, one after the other (Lundberg and Lee
2017, arXiv:1705.07874, with marginal expectations). The values add up to the score less its mean over those rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pydantic import Field

from dlw.explainers._base import ExplainerSettings, Explanation, Question

ABOUT = "row"
INPUTS = ("number", "category")
NEEDS = ("captum", "explain")


class Settings(ExplainerSettings):
    """Options of Shapley values."""

    background: int = Field(64, ge=1, le=4096, description="Training rows, drawn by the recipe's seed.")
    permutations: int = Field(
        48, ge=1, le=100_000, description="Orders that are drawn; up to 8 columns all coalitions are asked instead."
    )


def build(settings: Settings) -> Callable[[Question], Explanation]:
    """Return the explaining function."""
    from dlw.explainers._shapley import explain

    return partial(explain, permutations=settings.permutations)


def misfit(question: Question) -> str:
    """Say that there is nothing to share between columns."""
    from dlw.explainers._shapley import shared

    return "" if len(shared(question)) > 1 else "Shapley values share the score between columns, and there is only one"
