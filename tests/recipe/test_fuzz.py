"""Mutated recipes and `--set` values end in a recipe or in a RecipeError, quickly, whatever they hold."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from own_recipes import OWN

from dlw.errors import RecipeError
from dlw.recipe import parse
from dlw.recipe.check import load_text
from dlw.recipe.compose import dump, resolve
from dlw.recipe.find import installed_recipes

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


def mutated(text: str, chance: random.Random) -> str:
    for _ in range(chance.randrange(1, 6)):
        at, to = chance.randrange(len(text) + 1), chance.randrange(len(text) + 1)
        kind = chance.randrange(6)
        if kind == 0:
            text = text[:at] + chance.choice(PIECES) + text[at:]
        elif kind == 1:
            text = text[:at] + text[at + chance.randrange(1, 12) :]
        elif kind == 2:
            text = text[:at] + chance.choice(PIECES) + text[at + chance.randrange(1, 8) :]
        elif kind == 3:
            text = text[:at] + text[to : to + chance.randrange(1, 60)] + text[at:]
        elif kind == 4:
            text = text[:at] + chr(chance.choice([chance.randrange(128), chance.randrange(0xD800)])) + text[at + 1 :]
        else:
            lines = text.split("\n")
            chance.shuffle(lines)
            text = "\n".join(lines)
    return text


def survives(text: str, sets: tuple[str, ...] = ()) -> bool:
    """Return whether the text is a recipe; anything but a RecipeError is a bug."""
    try:
        decoded = parse.decode(text.encode("utf-8", "surrogatepass"), "fuzz.yaml")
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


def fuzz(num_texts: int, seed: int) -> tuple[int, float]:
    """Return how many of the mutated texts were recipes, and the seconds of the slowest."""
    chance = random.Random(seed)
    seeds = [*OWN.values(), *(file.read_text(encoding="utf-8") for file in installed_recipes().values())]
    num_good, slowest = 0, 0.0
    for _ in range(num_texts):
        text = mutated(chance.choice(seeds), chance)
        sets = (f"{chance.choice(PATHS)}={chance.choice(PIECES)}",) if chance.random() < 0.3 else ()
        started = time.process_time()
        num_good += survives(text, sets)
        slowest = max(slowest, time.process_time() - started)
    return num_good, slowest


def test_mutated_recipes_are_refused_or_read() -> None:
    num_good, slowest = fuzz(600, seed=1)
    assert 0 < num_good < 600
    assert slowest < 1


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twenty_thousand_mutated_recipes_are_refused_or_read() -> None:
    num_good, slowest = fuzz(20_000, seed=2)
    assert 0 < num_good < 20_000
    assert slowest < 1
