"""How much memory rows may take: what the recipe says, or a share of what is free."""

from __future__ import annotations

import os
import re

from dlw.recipe.schema import Recipe

FREE_SHARE = 0.4
"""Share of the free memory that rows may take where the recipe says nothing."""
_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_AMOUNT = re.compile(r"([\d.]+) ?([A-Za-z]+)")


def free_bytes() -> int:
    """Return how many bytes of rows may be in memory at once where nothing says it: a share of what is free now."""
    return int(FREE_SHARE * os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def budget_bytes(recipe: Recipe) -> int:
    """Return how many bytes of rows may be in memory at once."""
    text = recipe.data.memory_budget
    if text is None:
        return free_bytes()
    match = _AMOUNT.fullmatch(text)
    assert match is not None, "the schema lets nothing else through"
    return int(float(match[1]) * _UNITS[match[2]])


def with_budget(recipe: Recipe, num_bytes: int) -> Recipe:
    """Write a budget into a recipe, in whole MiB."""
    text = f"{max(1, num_bytes // 2**20)} MiB"
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"memory_budget": text})})
