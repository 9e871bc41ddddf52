"""Recipes of an older format are read by the names of today, each told in a line with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlw.cli.main import run
from dlw.errors import RecipeError
from dlw.recipe import upgrade
from dlw.recipe.check import load_recipe, load_text

OLD = """recipe: 0
name: old
task: classification
data: {source: x.csv, target: {y: category}}
model: mlp
train:
  rate: 3e-3
  epochs: 2
"""
RENAMES = {0: {"train.rate": "optimizer.lr", "nowhere.at": "all"}}


@pytest.fixture(autouse=True)
def _with_an_older_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "RENAMES", RENAMES)


def test_keys_are_read_by_their_present_names(tmp_path: Path) -> None:
    loaded = load_text(OLD, tmp_path)
    assert loaded.recipe.recipe == upgrade.FORMAT_VERSION
    assert loaded.recipe.optimizer.type == "adamw"
    assert loaded.recipe.optimizer.lr == 3e-3
    assert loaded.notes == ("recipe.yaml:7:3: train.rate: is called optimizer.lr since format 1; read as that",)
    assert loaded.text == OLD


def test_what_is_wrong_is_told_where_it_was_written(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"recipe\.yaml:7:9: optimizer\.lr: must be greater than 0, got -1"):
        load_text(OLD.replace("3e-3", "-1"), tmp_path)
    with pytest.raises(
        RecipeError, match=r"7:3: train\.rate: is called optimizer\.lr since format 1, and that is there"
    ):
        load_text(OLD + "optimizer: {lr: 1e-3}\n", tmp_path)


def test_each_file_has_its_own_format(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(OLD)
    (tmp_path / "new.yaml").write_text("extends: old.yaml\nrecipe: 1\noptimizer: {weight_decay: 0.5}\n")
    loaded = load_recipe(tmp_path / "new.yaml")
    assert (loaded.recipe.optimizer.lr, loaded.recipe.optimizer.weight_decay) == (3e-3, 0.5)
    assert len(loaded.notes) == 1
    (tmp_path / "new.yaml").write_text("extends: old.yaml\nrecipe: 1\ntrain: {rate: 1}\n")
    with pytest.raises(RecipeError, match=r"train\.rate: unknown key"):
        load_recipe(tmp_path / "new.yaml")


def test_formats_without_a_way_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "RENAMES", {})
    with pytest.raises(RecipeError, match=r"recipe\.yaml:1:9: recipe: format 0 was never in use"):
        load_text(OLD, tmp_path)


def test_each_key_is_a_line_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old.yaml").write_text(OLD)
    assert run(["recipe", "check", str(tmp_path / "old.yaml")]) == 0
    out, err = capsys.readouterr()
    assert "old.yaml:7:3: train.rate: is called optimizer.lr since format 1" in err
    assert "is called" not in out
