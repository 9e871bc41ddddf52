"""From the `search` section to what Optuna draws from, and from what it drew back to a recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from dlw.errors import RecipeError
from dlw.recipe._view import value_at
from dlw.recipe.check import load_text
from dlw.recipe.compose import dump, inline, resolve
from dlw.recipe.schema import Range, Recipe


@dataclass(frozen=True)
class Space:
    """What a sweep searches. `text` is the recipe without its search section, relative paths starting at `root`.

    `written` are the recipe's own values, as Optuna holds them, of the keys whose candidates they are among.
    """

    text: str
    root: Path
    keys: Mapping[str, BaseDistribution]
    written: Mapping[str, Any]

    def suggest(self, trial: optuna.Trial, *, is_written: bool) -> dict[str, Any]:
        """Return what a trial tries: key -> value.

        Where it is the recipe as written, that is what the recipe says, as far as it is among the candidates.
        """
        keys = self.written if is_written else self.keys
        return {key: plain(_suggest(trial, key, self.keys[key])) for key in keys}

    def recipe(self, tried: Mapping[str, Any]) -> Recipe:
        """Return the checked recipe of a trial; raises RecipeError where its values do not go together."""
        sets = [f"{key}={inline(value)}" for key, value in tried.items()]
        return load_text(self.text, self.root, sets=sets).recipe


def space_of(recipe: Recipe, root: Path) -> Space:
    """Return the space of a recipe's search section."""
    tree = recipe.model_dump(mode="json", exclude_unset=True, exclude={"search"})
    text = dump(tree)
    keys = {key: _distribution(key, space, text, root) for key, space in recipe.search.items()}
    whole = resolve(recipe)
    found = {key: value_at(whole, key.split(".")) for key in keys}
    written = {key: held for key, value in found.items() if (held := _held(keys[key], value)) is not None}
    return Space(text, root, keys, written)


def plain(held: Any) -> Any:
    """Return a value as it stands in a recipe, from how Optuna holds it: choices are JSON there."""
    return json.loads(held) if isinstance(held, str) else held


def shown(value: Any) -> str:
    """Return a value of a recipe for people."""
    return value if isinstance(value, str) else f"{value:.4g}" if isinstance(value, float) else json.dumps(value)


def _suggest(trial: optuna.Trial, key: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(key, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(key, distribution.low, distribution.high, step=distribution.step, log=distribution.log)
    assert isinstance(distribution, FloatDistribution)
    return trial.suggest_float(key, distribution.low, distribution.high, step=distribution.step, log=distribution.log)


def _distribution(key: str, space: list[Any] | Range, text: str, root: Path) -> BaseDistribution:
    if isinstance(space, list):
        return CategoricalDistribution([json.dumps(choice, sort_keys=True) for choice in space])
    if _is_whole(key, space, text, root):
        return IntDistribution(int(space.low), int(space.high), log=space.log, step=int(space.step or 1))
    return FloatDistribution(space.low, space.high, log=space.log, step=space.step)


def _is_whole(key: str, space: Range, text: str, root: Path) -> bool:
    """Say whether a range is of whole numbers: its own are, and the recipe takes no other (or the step makes none)."""
    if not all(value.is_integer() for value in (space.low, space.high, space.step or 1.0)):
        return False
    if space.step is not None:
        return True
    try:
        load_text(text, root, sets=[f"{key}={space.low + 0.5}"])
    except RecipeError:
        return True
    return False


def _held(distribution: BaseDistribution, value: Any) -> Any:
    """Return a value of the recipe as Optuna holds it, None where it is not among the candidates."""
    if isinstance(distribution, CategoricalDistribution):
        # A recipe holds 0.0 where 0 is among the candidates; True is no 1.
        equal = (
            text
            for text in distribution.choices
            if isinstance(text, str)
            and (choice := json.loads(text)) == value
            and isinstance(choice, bool) == isinstance(value, bool)
        )
        return next(equal, None)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    if not isinstance(value, int | float) or not distribution.low <= value <= distribution.high:
        return None
    steps = (value - distribution.low) / (distribution.step or 1)
    is_on_grid = distribution.step is None or abs(steps - round(steps)) < 1e-9
    return value if is_on_grid else None
