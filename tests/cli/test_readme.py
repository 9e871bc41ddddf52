"""What README.md says is so: its commands, files, options and generated pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dlw.cli.completions import command_tree
from dlw.cli.reference import BEGIN, END, render
from dlw.recipe.find import installed_recipes

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "README.md").read_text(encoding="utf-8")
FOUND = installed_recipes()


def _block(mark: str) -> str:
    found = re.search(rf"<!-- {mark} -->\n```bash\n(.*?)\n```", PAGE, re.DOTALL)
    assert found
    return found[1]


def test_the_two_commands_are_one_line_each_and_set_themselves_up() -> None:
    for mark in ("try command", "test command"):
        assert "\n" not in _block(mark)
        assert _block(mark).startswith("python3 -m venv .venv && .venv/bin/pip install ")


def test_ci_runs_the_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert _block("test command") in script.splitlines()
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_the_reference_is_fresh() -> None:
    written = BEGIN + PAGE.partition(BEGIN)[2].partition(END)[0] + END
    assert written == render(), "run `python -m dlw.cli.reference`"


def test_every_file_it_names_is_there() -> None:
    named = set(re.findall(r"\b(?:tests|recipes|completions)/[\w./-]+", PAGE))
    assert named
    missing = [name for name in sorted(named) if not (ROOT / name.rstrip(".")).exists()]
    assert not missing


def test_scores_name_every_recipe_and_say_which_are_not_measured() -> None:
    """In the same words as the head of the recipe."""
    scores = PAGE.partition("<!-- scores -->")[2].partition("<!-- end of the scores -->")[0]
    heads = {name: path.read_text(encoding="utf-8").partition("recipe: 1")[0] for name, path in FOUND.items()}
    (unmeasured,) = re.findall(r"^Not measured yet: (.*?)\.$", scores, re.DOTALL | re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", unmeasured)) == {n for n, head in heads.items() if "Not measured yet" in head}
    rows = re.findall(r"^\| (`.*?`) \|", scores, re.MULTILINE)
    assert {*re.findall(r"`(\w+)`", " ".join([*rows, unmeasured]))} == set(FOUND)


def _commands() -> list[str]:
    blocks = re.findall(r"```(?:bash|console)\n(.*?)```", PAGE, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()] + re.findall(r"`(dlw [^`\n]+)`", PAGE)
    return [found[1] for line in lines for found in re.finditer(r"(?:^|\$ |/|`)dlw ((?:(?!&&|#|\|).)+)", line)]


@pytest.mark.parametrize("command", _commands())
def test_every_command_and_option_it_shows_exists(command: str) -> None:
    known = {found.path: found for found in command_tree().everything()}
    words = command.replace("\\", "").split()
    path = " ".join(words[:2]) if words[0] == "recipe" and len(words) > 1 else words[0]
    if "|" in path or path not in known:
        path = path.split()[0]
    assert path in known
    options = {name for option in known[path].options for name in option.names}
    assert {word for word in words if re.fullmatch(r"--?[a-z-]+", word)} <= options
