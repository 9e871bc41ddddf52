"""The search section: what it may name, and that every candidate is checked where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlw.errors import RecipeError
from dlw.recipe.check import load_text
from dlw.recipe.compose import dump, resolve
from dlw.recipe.schema import Range

BASE = """\
name: x
task: classification
data: {source: a.csv, target: {y: category}}
model: {type: mlp, width: 8}
train: {epochs: 3}
search:
  optimizer.lr: {low: 1e-4, high: 1e-2, log: true}
"""


def problems(line: str, *sets: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        load_text(f"{BASE}  {line}\n", Path(), sets=sets)
    return [str(problem).removeprefix("recipe.yaml:") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("optimizer.lrr: [0.1, 0.2]", "8:3: search.optimizer.lrr: unknown key; did you mean lr?"),
        ("optimizr.momentum: [0, 1]", "8:3: search.optimizr: unknown key; did you mean optimizer?"),
        ("model.width: [8, wide]", "8:20: search.model.width: expected a whole number, got the text 'wide'"),
        ("optimizer.weight_decay: [0.1, -1]", "8:33: search.optimizer.weight_decay: must be at least 0, got -1"),
        ("model: [mlp, {type: mlp, widht: 3}]", "8:28: search.model.widht: unknown key; did you mean width?"),
        ("model.width: {low: 8, high: 99999}", "8:31: search.model.width: must be at most 65536, got 99999"),
        ("train.epochs: {low: 2, high: 1}", "8:3: search.train.epochs: low must be less than high, got 2 and 1"),
        ("train.epochs: {low: 1, high: 2, lgo: true}", "8:35: search.train.epochs.lgo: unknown key; did you mean log?"),
        (
            "train.epochs: {low: 1, high: 9, step: 3}",
            "8:3: search.train.epochs: high must be low plus whole steps of 3",
        ),
        ("model.dropout: {low: 0, high: 0.5, log: true}", "8:3: search.model.dropout: log needs a low above 0"),
        ("model.dropout: [0.1]", "8:3: search.model.dropout: needs 2 or more items, got 1"),
        (
            "model.dropout: 3",
            "8:18: search.model.dropout: expected a list of choices or `{low: ..., high: ...}`, got 3",
        ),
        ("model.dropout: null", "8:3: search.model.dropout: has no value"),
        ("seed: [1, 2]", "8:3: search.seed: would be chosen for its luck"),
        ("name: [a, b]", "8:3: search.name: has no effect on what is learned"),
        ("data.splits: [a, b]", "8:3: search.data.splits: decides what is scored on which rows"),
        ("checkpoint.monitor: [a, b]", "8:3: search.checkpoint.monitor: decides how a trial is judged"),
        ("train: [{epochs: 1}, {epochs: 2}]", "8:3: search.train: is a whole section: name the keys in it"),
        ("optimizer: [adamw, sgd]", "7:3: search.optimizer.lr: lies inside search.optimizer"),
        ("model.heads: [2, 4]", "8:3: search.model.heads: unknown key"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(line: str, told: str) -> None:
    found = problems(line)
    assert found[0].startswith(told), found


def test_a_candidate_that_does_not_go_with_the_rest_is_told_where_it_stands() -> None:
    assert problems("train.steps: [5, 6]")[0].startswith("8:17: search.train.steps: contradicts train.epochs")
    found = problems("model: [mlp, rnn]", "data.inputs={a: number}")
    assert found[0].startswith("8:16: search.model: the text 'rnn' does not go with data.inputs.a: model rnn takes")


def test_many_candidates_are_refused() -> None:
    (told,) = problems(f"model.width: {list(range(1, 101))}")
    assert told.startswith("6:1: search: more than 100 candidates")


def test_set_reaches_into_the_section() -> None:
    sets = ("search.optimizer.lr.low=2e-4", "search.model.dropout=[0, 0.1]")
    found = load_text(BASE, Path(), sets=sets).recipe.search
    assert isinstance(found["optimizer.lr"], Range)
    assert found["optimizer.lr"].low == 2e-4
    assert found["model.dropout"] == [0, 0.1]
    told = problems("model.bins: [4, 8]", "search.model.width=[1, no]")
    assert told == ["--set search.model.width=[1, no]: search.model.width: expected a whole number, got the text 'no'"]


def test_the_resolved_recipe_keeps_it_and_a_recipe_without_has_none() -> None:
    recipe = load_text(BASE, Path()).recipe
    assert load_text(dump(resolve(recipe)), Path()).recipe.search == recipe.search
    assert "search" not in resolve(load_text(BASE.partition("search:")[0], Path()).recipe)
