"""`--sandbox` (bad input B22): the paths of a recipe, links followed, stay in its folder or in DLW_DATA."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlw.cli.main import run
from dlw.errors import RecipeError
from dlw.recipe.check import load_recipe
from dlw.recipe.find import installed_recipes

RECIPE = """\
name: small
task: classification
data: {{source: {source}, target: {{y: category}}}}
model: mlp
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe's folder, data and a recipe outside of it, and links that lead there."""
    home = tmp_path / "home"
    (home / "data").mkdir(parents=True)
    for place in (tmp_path / "outside.csv", tmp_path / "outside" / "rows.csv", home / "data" / "rows.csv"):
        place.parent.mkdir(exist_ok=True)
        place.write_text("x,y\n1,a\n2,b\n3,a\n4,b\n")
    (tmp_path / "base.yaml").write_text(RECIPE.format(source="rows.csv"))
    (home / "base.yaml").write_text(RECIPE.format(source="data/rows.csv"))
    (home / "linked.yaml").symlink_to(tmp_path / "base.yaml")
    (home / "linked.csv").symlink_to(tmp_path / "outside.csv")
    (home / "linked").symlink_to(tmp_path / "outside")
    (home / "mixed").mkdir()
    (home / "mixed" / "train.csv").symlink_to(tmp_path / "outside.csv")
    monkeypatch.chdir(tmp_path)
    return home


def written(home: Path, source: str) -> Path:
    (home / "r.yaml").write_text(RECIPE.format(source=source))
    return home / "r.yaml"


OUTSIDE = [
    "../outside.csv",
    "data/../../outside.csv",
    "/etc/passwd",
    "~/rows.csv",
    "linked.csv",
    "linked/rows.csv",
    "linked",
    "mixed",
    "'*.csv'",
    "'../*.csv'",
    "[data/rows.csv, ../outside.csv]",
    "{type: csv, path: ../outside.csv}",
    "{type: csv, path: [data/rows.csv, linked.csv]}",
    "../nowhere.csv",
]


@pytest.mark.withstands("bad inputs", case="B22")
@pytest.mark.parametrize("source", OUTSIDE)
def test_data_outside_is_refused_with_the_place_and_what_is_allowed(
    source: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(home, source)
    verbs = [
        "recipe check",
        "recipe show",
        "train",
        "train --dry-run",
        *(["benchmark"] if source == OUTSIDE[0] else []),
    ]
    for command in (verb.split() for verb in verbs):
        assert run([*command, str(path), "--sandbox"]) == 2, command
        told = capsys.readouterr().err
        assert "r.yaml:3:" in told
        assert "data.source" in told
        assert f"outside of {home}, which --sandbox does not allow" in told
        assert "Traceback" not in told
    assert not Path("runs").exists()
    assert run(["recipe", "check", str(path)]) == 0, "without --sandbox the recipe is right"


@pytest.mark.withstands("bad inputs", case="B22")
@pytest.mark.parametrize("base", ["../base.yaml", "linked.yaml", "/etc/passwd", "data/../../base.yaml"])
def test_extends_outside_is_refused_and_not_opened(base: str, home: Path) -> None:
    (home / "r.yaml").write_text(f"extends: {base}\n")
    with pytest.raises(RecipeError, match=r"r\.yaml:1:\d+: extends: .* leads to .*, outside of .*--sandbox"):
        load_recipe(home / "r.yaml", is_sandboxed=True)


@pytest.mark.parametrize("source", ["data/rows.csv", "data", "'data/*.csv'", "{type: csv, path: data/rows.csv}"])
def test_what_stays_inside_is_accepted(source: str, home: Path) -> None:
    assert load_recipe(written(home, source), is_sandboxed=True).recipe.name == "small"
    (home / "r.yaml").write_text("extends: base.yaml\nseed: 1\n")
    assert load_recipe(home / "r.yaml", is_sandboxed=True).recipe.seed == 1


def test_the_mirror_folder_is_allowed(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "only-there.csv").write_text("x,y\n1,a\n2,b\n")
    path = written(home, "../only-there.csv")
    with pytest.raises(RecipeError, match="outside"):
        load_recipe(path, is_sandboxed=True)
    monkeypatch.setenv("DLW_DATA", str(tmp_path / "mirror"))
    assert load_recipe(path, is_sandboxed=True)
    with pytest.raises(RecipeError, match=rf"outside of {home} or {tmp_path / 'mirror'}"):
        load_recipe(written(home, "../outside.csv"), is_sandboxed=True)


def test_installed_recipes_share_their_folder() -> None:
    for name in ("digits", "penguins"):
        assert name in installed_recipes()
        assert load_recipe(name, is_sandboxed=True)


def test_a_run_to_resume_is_no_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--resume", "runs/x", "--sandbox"]) == 2
    assert "--sandbox is for recipes" in capsys.readouterr().err
