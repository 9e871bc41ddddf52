"""A table of what each true class is taken for, each line shaded by its shares. Shape legend: K classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlw.verbs._report.html import Markup, tag, text

MOST_CLASSES = 25
"""A confusion matrix of more classes cannot be read."""
FEW_CLASSES = 5
"""A confusion matrix of more classes takes the whole width of the page."""


def confusion(counts_KK: np.ndarray, names: Sequence[str], caption: str) -> Markup:
    """Return counts by true class (lines) and answered class (columns), shaded by the share of the line."""
    size = len(counts_KK)
    total_K = counts_KK.sum(1, keepdims=True)
    share_KK = np.divide(counts_KK, total_K, out=np.zeros((size, size)), where=total_K > 0)
    head = tag("tr", tag("th", "true \\ answered", scope="col"), *(tag("th", name, scope="col") for name in names))
    lines = [
        tag(
            "tr",
            tag("th", names[row], scope="row"),
            *(_shaded(counts_KK[row, k], share_KK[row, k], row == k) for k in range(size)),
        )
        for row in range(size)
    ]
    whole = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *lines))
    return tag("div", whole, class_=f"wide matrix{' broad' if size > FEW_CLASSES else ''}")


def _shaded(count: float, share: float, is_right: bool) -> Markup:
    colour = "--one" if is_right else "--two"
    strength = round(45 * share) if is_right else min(45, round(150 * share))
    style = f"background: color-mix(in srgb, var({colour}) {strength}%, transparent)"
    return tag("td", text(f"{count:,}" if count else "·"), style=style)
