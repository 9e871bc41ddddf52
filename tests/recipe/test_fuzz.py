"""Mutated recipes and `--set` values end in a recipe or in a RecipeError, quickly, whatever they hold."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from own_recipes import OWN

from dlw.errors import RecipeError
from dlw.recipe import parse
from dlw.recipe.check import load_text
from dlw.recipe.compose import dump, resolve
from dlw.recipe.find import installed_recipes
from tests.clock import clocked
from tests.security.mutations import mutated
from tests.withstood import Tally

PIECES = [
    "null",
    "true",
    "1e400",
    "-0",
    ".nan",
    "-.inf",
    "9" * 400,
    "0x" + "f" * 60,
    "''",
    '""',
    "[]",
    "{}",
    "[[]]",
    "{a: }",
    "- ",
    ": ",
    "#",
    "\t",
    "\r",
    "\n",
    "  ",
    "|",
    ">",
    "!!str ",
    "&a ",
    "*a",
    "<<: ",
    "${",
    "${a}",
    "${train.epochs}",
    "$${",
    "'${data}'",
    "@",
    "`",
    "%",
    "%YAML 1.1\n",
    "---\n",
    "...\n",
    "? ",
    "\u2028",
    "\ufeff",
    "\u202e",
    "\x85",
    "😀",
    "é",
    "type",
    "type: ",
    "auto",
    "extends: .",
    "extends: [a, b]\n",
    "recipe: 2\n",
    "_target_: x\n",
    "token: hf_abc\n",
    "validation/",
    "test/accuracy >= ",
    "\\",
    "\x7f",
    "\ud800",
]
PATHS = [
    "",
    ".",
    "a",
    "train",
    "train.epochs",
    "train.epochs.x",
    "model",
    "model.type",
    "model.width",
    "data.inputs",
    "data.augment.0",
    "data.augment.9.type",
    "data.source.0",
    "data.target.x",
    "optimizer",
    "optimizer.betas.0",
    "extends",
    "export.format",
    "task.x.y",
]


def is_recipe(data: bytes, sets: tuple[str, ...] = ()) -> bool:
    """Return whether the bytes are a recipe; anything but a RecipeError is a bug."""
    try:
        decoded = parse.decode(data, "fuzz.yaml")
        recipe = load_text(decoded, Path("/nowhere"), sets=sets).recipe
    except RecipeError as error:
        check_shown(error)
        return False
    tree = resolve(recipe)
    assert resolve(load_text(dump(tree), Path("/nowhere")).recipe) == tree
    return True


def check_shown(error: RecipeError) -> None:
    assert error.problems
    assert all(letter.isprintable() or letter == "\n" for letter in str(error)), str(error)


def fuzz(num_texts: int, seed: int) -> tuple[int, int]:
    """Return how many of the mutated recipes were answered within a second, and how many of them were recipes."""
    chance = random.Random(seed)
    seeds = [*OWN.values(), *(file.read_text(encoding="utf-8") for file in installed_recipes().values())]
    pieces = [piece.encode("utf-8", "surrogatepass") for piece in PIECES]
    num_quick = num_good = 0
    for _ in range(num_texts):
        data = mutated(chance.choice(seeds).encode(), chance, pieces)
        sets = (f"{chance.choice(PATHS)}={chance.choice(PIECES)}",) if chance.random() < 0.3 else ()
        with clocked() as clock:
            num_good += is_recipe(data, sets)
        num_quick += clock.seconds < 1
    return num_quick, num_good


@pytest.mark.withstands("fuzz: recipes")
def test_mutated_recipes_are_refused_or_read(tally: Tally) -> None:
    num_quick, num_good = fuzz(1_500, seed=1)
    assert 0 < num_good < 1_500
    tally(num_quick, 1_500)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.withstands("fuzz: recipes")
def test_twenty_thousand_mutated_recipes_are_refused_or_read(tally: Tally) -> None:
    num_quick, num_good = fuzz(20_000, seed=2)
    assert 0 < num_good < 20_000
    tally(num_quick, 20_000)


@pytest.mark.withstands("fuzz: recipes")
@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_refused(data: bytes) -> None:
    """Noise never names a task and a model."""
    assert not is_recipe(data)
    assert not is_recipe(b"name: x\n" + data)
