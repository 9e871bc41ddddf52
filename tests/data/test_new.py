"""New recipes: complete, checked by the same rules as any other, and right about what the target is."""

from __future__ import annotations

from pathlib import Path

import pyarrow.csv as pc
import pytest
from PIL import Image

from dlw.errors import DataError, UsageError
from dlw.progress import Silent
from dlw.recipe.check import load_recipe
from dlw.recipe.schema import Recipe
from dlw.verbs._fitted import fit
from dlw.verbs._rows import load_tables
from dlw.verbs.new import new

DATA = Path(__file__).parents[2] / "recipes" / "data"


def table(path: Path, target: list[object]) -> Path:
    import pyarrow as pa

    count = len(target)
    columns = {"size m2": [step * 1.5 for step in range(count)], "no": ["x", "y"] * (count // 2), "goal": target}
    path.parent.mkdir(parents=True, exist_ok=True)
    pc.write_csv(pa.table(columns), path)
    return path


def usable(text: str, folder: Path) -> Recipe:
    """Check a recipe's text, load its data and fit its fields."""
    (folder / "made.yaml").write_text(text, encoding="utf-8")
    loaded = load_recipe(folder / "made.yaml")
    tables = load_tables(loaded.recipe, loaded.root, folder / "cache", Silent())
    assert set(tables) == {"train", "validation", "test"}
    fitted = fit(loaded.recipe, tables["train"], Silent())
    fitted.encode(tables["train"], with_target=True, listener=Silent())
    return loaded.recipe


@pytest.mark.parametrize(
    ("target", "task", "field"),
    [
        (["red", "blue", "green", "red"] * 30, "classification", "category"),
        ([0, 1] * 60, "classification", "category"),
        ([True, False] * 60, "classification", "category"),
        ([step * 0.5 for step in range(120)], "regression", "number"),
        (list(range(120)), "regression", "number"),
        (["a|b", "b", "a", "c|a", "b|c", "a|b|c"] * 20, "classification", "labels"),
    ],
)
def test_the_task_follows_from_the_target(tmp_path: Path, target: list[object], task: str, field: str) -> None:
    text = new(table(tmp_path / "houses.csv", target), target="goal", folder=tmp_path)
    recipe = usable(text, tmp_path)
    assert recipe.name == "houses"
    assert recipe.task.type == task
    assert recipe.data.target["goal"].type == field
    assert isinstance(recipe.data.inputs, dict)
    assert {name: block.type for name, block in recipe.data.inputs.items()} == {"size m2": "number", "no": "category"}


def test_missing_targets_and_rare_classes_still_train(tmp_path: Path) -> None:
    path = table(tmp_path / "x.csv", [*(["a", "b"] * 99), "c", None])
    text = new(path, target="goal", folder=tmp_path)
    assert "drop_missing_target: true   # 1 rows have none" in text
    assert "min_count: 1" in text
    usable(text, tmp_path)


def test_what_is_left_out_is_a_comment_with_the_reason(tmp_path: Path) -> None:
    text = new(DATA / "penguins.csv", target="species", folder=tmp_path)
    recipe = usable(text, tmp_path)
    assert isinstance(recipe.data.inputs, dict)
    assert len(recipe.data.inputs) == 7
    path = tmp_path / "ids.csv"
    path.write_text("id,x,y\n" + "".join(f"{row},{row % 7},{'ab'[row % 2]}\n" for row in range(100)))
    assert "# id is left out: every row has its own number" in new(path, target="y", folder=tmp_path)


def test_splits_of_the_data_are_kept(tmp_path: Path) -> None:
    text = new(DATA / "fashion_mnist_small", folder=tmp_path)
    assert "splits: {type: stratified, train: 0.9, validation: 0.1, test: 0}   # cut from train" in text
    recipe = usable(text, tmp_path)
    assert recipe.model.type == "resnet"
    assert isinstance(recipe.data.inputs, dict)
    assert recipe.data.inputs["image"].options == {"height": 28, "width": 28, "channels": 1}


def test_picture_folders_learn_their_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for row in range(60):
        file = tmp_path / f"pets/{'cat' if row % 2 else 'dog'}/{row}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (400, 200), (row, 0, 255 - row)).save(file)
    recipe = usable(new(Path("pets")), tmp_path)
    assert recipe.data.source == "pets"
    assert isinstance(recipe.data.inputs, dict)
    assert recipe.data.inputs["image"].options == {"height": 48, "width": 96, "channels": 3}


@pytest.mark.parametrize(
    ("target", "message"),
    [(None, "name the column to learn with --target; there are size m2, no, goal"), ("gaol", r"did you mean goal\?")],
)
def test_an_unknown_target_is_a_usage_error(tmp_path: Path, target: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        new(table(tmp_path / "x.csv", [1, 2] * 9), target=target, folder=tmp_path)


def test_texts_that_are_no_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="60 different texts in 60 rows are not classes"):
        new(table(tmp_path / "x.csv", [f"text {row}" for row in range(60)]), target="goal", folder=tmp_path)
    with pytest.raises(DataError, match="no such file or folder"):
        new(tmp_path / "none.csv", target="goal")
