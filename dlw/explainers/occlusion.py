"""How much the score falls when a part of the input is covered (Zeiler and Fergus 2014; of words, arXiv:1612.08220).

A window moves over pictures, sounds and the channels of series and leaves the training mean there, or silence; tokens
are left out one by one; numbers and categories become missing.
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
    """Options of occlusion."""

    windows: int = Field(
        7, ge=2, le=256, description="Windows side by side along the shorter side, or the time; they move by half."
    )


def build(settings: Settings) -> Callable[[Question], Explanation]:
    """Return the explaining function."""
    from dlw.explainers._occlusion import explain

    return partial(explain, windows=settings.windows)


def misfit(question: Question) -> str:
    """Say nothing: every network can be asked again."""
    return ""
