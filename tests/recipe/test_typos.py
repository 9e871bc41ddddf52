"""Two hundred generated typos over the shipped recipes: each is refused at its place, with the word that was meant."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from own_recipes import OWN

from dlw import registry
from dlw.errors import RecipeError
from dlw.recipe import check, parse
from dlw.recipe._nearest import distance
from dlw.recipe._plugins import blocks
from dlw.recipe._validate import section
from dlw.recipe.find import installed_recipes
from dlw.recipe.parse import Node, Place
from dlw.recipe.schema import Recipe

NUM_TYPOS = 240
LETTERS = "abcdefghijklmnopqrstuvwxyz_"
MOST_LINES = 15


class Word(NamedTuple):
    """A word of a recipe that dlw must know: a key, or the name of something."""

    recipe: str
    word: str
    place: Place


def texts() -> dict[str, str]:
    shipped = {name: file.read_text(encoding="utf-8") for name, file in installed_recipes().items()}
    return {**OWN, **shipped}


def has_known_keys(path: tuple[str, ...], tree: dict[str, Any]) -> bool:
    """Return whether dlw knows the keys of a section; columns and labels of the data it cannot know."""
    owners = [(room, at, word) for room, at, word, _ in blocks(tree) if path[: len(at)] == at and at != ("export",)]
    for room, at, word in owners:
        return path == at or bool(section(registry.load(room, str(word)).Settings, path[len(at) :], {}))
    return bool(section(Recipe, path, tree))


def words_of(name: str, node: Node, tree: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[Word]:
    """Yield every key but columns, and every value that names a plug-in or is one of a closed list."""
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            if child.key and has_known_keys(path, tree) and key != "extends":
                yield Word(name, key, child.key)
            yield from words_of(name, child, tree, (*path, key))
    elif isinstance(node.value, list):
        for place, child in enumerate(node.value):
            yield from words_of(name, child, tree, (*path, str(place)))
    elif isinstance(node.value, str) and node.value != "auto":
        is_name = path[-1] in (
            "type",
            "task",
            "model",
            "optimizer",
            "lr_scheduler",
            "format",
            "precision",
            "activation",
        )
        if is_name or (len(path) == 3 and (path[1] in ("inputs", "target") or path[:2] == ("evaluate", "metrics"))):
            yield Word(name, node.value, node.place)


def mistyped(word: str, chance: random.Random) -> str:
    """Return the word with one letter lost, doubled, changed, or swapped with the next."""
    at = chance.randrange(len(word))
    kind = chance.choice(["lose", "add", "change", "swap"])
    if kind == "lose":
        return word[:at] + word[at + 1 :]
    if kind == "add":
        return word[:at] + chance.choice(LETTERS) + word[at:]
    if kind == "change":
        return word[:at] + chance.choice(LETTERS) + word[at + 1 :]
    return word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :]


def put(text: str, word: Word, typo: str) -> str:
    lines = text.split("\n")
    line, start = lines[word.place.line - 1], word.place.column - 1
    assert line[start:].startswith(word.word), (line, word)
    lines[word.place.line - 1] = line[:start] + typo + line[start + len(word.word) :]
    return "\n".join(lines)


def typos() -> list[tuple[Word, str]]:
    chance = random.Random(20261122)
    roots = {name: parse.parse(text, name, Path()) for name, text in texts().items()}
    pools = {
        name: [word for word in words_of(name, root, root.plain()) if len(word.word) > 1]
        for name, root in roots.items()
    }
    known = {word.word for pool in pools.values() for word in pool} | {
        name for room in registry.ROOMS for name in registry.names(room)
    }
    found: list[tuple[Word, str]] = []
    names = sorted(pools)
    while len(found) < NUM_TYPOS:
        word = chance.choice(pools[names[len(found) % len(names)]])
        typo = mistyped(word.word, chance)
        others = [other for other in known if other != word.word and distance(typo, other, 1) <= 1]
        is_plain_text = re.fullmatch(r"[a-z]\w*[a-z0-9]", typo) and isinstance(parse.scalar(typo), str)
        if is_plain_text and typo != word.word and not others and typo not in "nulltruefalse":
            found.append((word, typo))
    return found


TEXTS = texts()
TYPOS = typos()


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_the_recipes_themselves_are_right(name: str, tmp_path: Path) -> None:
    folder = installed_recipes()[name].parent if name not in OWN else tmp_path
    assert check.load_text(TEXTS[name], folder).recipe.name


@pytest.mark.withstands("bad inputs", case="B06")
@pytest.mark.parametrize(("word", "typo"), TYPOS, ids=[f"{word.recipe}-{word.word}-{typo}" for word, typo in TYPOS])
def test_a_typo_is_refused_at_its_place_with_the_word_meant(word: Word, typo: str, tmp_path: Path) -> None:
    text = put(TEXTS[word.recipe], word, typo)
    folder = installed_recipes()[word.recipe].parent if word.recipe not in OWN else tmp_path
    with pytest.raises(RecipeError) as caught:
        check.load_text(text, folder, "typo.yaml")
    here = [each for each in caught.value.problems if (each.line, each.column) == (word.place.line, word.place.column)]
    meant = [match.group(1) for each in here for match in re.finditer(r"did you mean (\S+)\?", each.message)]
    assert [path.rpartition(".")[2] for path in meant] == [word.word], str(caught.value)
    assert len(str(caught.value).splitlines()) < MOST_LINES


@pytest.mark.parametrize(("word", "typo"), TYPOS[::60], ids=[typo for _, typo in TYPOS[::60]])
def test_the_command_says_so_too(word: Word, typo: str, tmp_path: Path) -> None:
    file = tmp_path / "typo.yaml"
    if word.recipe not in OWN:
        for beside in installed_recipes()[word.recipe].parent.glob("*.yaml"):
            shutil.copy(beside, tmp_path)  # it may extend one of them
    file.write_text(put(TEXTS[word.recipe], word, typo), encoding="utf-8")
    command = [sys.executable, "-m", "dlw", "recipe", "check", "typo.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert f"typo.yaml:{word.place.line}:{word.place.column}: " in done.stderr
    assert re.search(rf"did you mean (\w+\.)*{word.word}\?", done.stderr)
    assert len(done.stderr.splitlines()) < MOST_LINES
    assert done.stdout == ""
