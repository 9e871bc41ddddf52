"""Gradients summed up on the way from an even input to the real one (Sundararajan et al. 2017, arXiv:1703.01365).

The values of all maps add up to the score less that of the even input: pictures, series and numbers of the training
mean, tokens and sounds whose vectors are zero (of a spectrum, its own mean), categories that are missing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pydantic import Field

from dlw.explainers._base import ExplainerSettings, Explanation, Question

ABOUT = "row"
INPUTS = ("image", "sound", "series", "tokens", "number", "category")
NEEDS = ("captum", "explain")


class Settings(ExplainerSettings):
    """Options of integrated gradients."""

    steps: int = Field(64, ge=8, le=4096, description="Points on the way, at Gauss-Legendre places.")


def build(settings: Settings) -> Callable[[Question], Explanation]:
    """Return the explaining function."""
    from dlw.explainers._integrated_gradients import explain

    return partial(explain, steps=settings.steps)


def misfit(question: Question) -> str:
    """Say why gradients reach no float per place of an input."""
    from dlw.explainers._integrated_gradients import misfit

    return misfit(question)
