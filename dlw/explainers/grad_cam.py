"""Where the last convolutions of a network look (Selvaraju et al. 2017, arXiv:1610.02391); only what speaks for it.

The map is as coarse as the last layer that still knows places, and its values are relative to one another.
"""

from __future__ import annotations

from collections.abc import Callable

from dlw.explainers._base import ExplainerSettings, Explanation, Question

ABOUT = "row"
INPUTS = ("image",)
NEEDS = ("captum", "explain")


class Settings(ExplainerSettings):
    """Grad-CAM has no options."""


def build(settings: Settings) -> Callable[[Question], Explanation]:
    """Return the explaining function."""
    from dlw.explainers._grad_cam import explain

    return explain


def misfit(question: Question) -> str:
    """Say why there are no convolutions to look at."""
    from dlw.explainers._grad_cam import misfit

    return misfit(question)
