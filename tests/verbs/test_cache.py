"""`--cache`: encoded rows of another run are taken only where everything that they follow from is the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from dlw import registry
from dlw.errors import UsageError
from dlw.runs.layout import Run
from dlw.verbs import _cache
from dlw.verbs.train import train
from tests.verbs.small_runs import LINE_LENGTH, PICTURE_RECIPE, lines, squares

TAKEN = "encoded rows taken from"
LINES_RECIPE = f"""\
name: lines
task: {{type: language_modeling, context: {LINE_LENGTH}, max_tokens: 4}}
data:
  source: lines.csv
  inputs: {{text: {{type: text, tokenizer: characters}}}}
  splits: {{train: "train[:80%]", validation: "train[80%:]"}}
model: {{type: gpt, width: 8, depth: 1, heads: 2}}
train: {{epochs: 1, batch_size: 8, threads: 1}}
"""


def learn(folder: Path, name: str, sets: tuple[str, ...] = (), recipe: str = PICTURE_RECIPE) -> tuple[bytes, str]:
    """Train with the cache; return the weights and what was told."""
    (folder / "recipe.yaml").write_text(recipe)
    train(folder / "recipe.yaml", out=folder / name, cache=folder / "cache", sets=sets)
    run = Run(folder / name)
    step = (run.checkpoints / "last").read_text().strip()
    return (run.checkpoints / step / "model.safetensors").read_bytes(), run.log.read_text()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    squares(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", ["pictures", "lines"])
def test_a_second_run_takes_what_the_first_one_kept_and_learns_the_same(kind: str, tmp_path: Path) -> None:
    (squares if kind == "pictures" else lines)(tmp_path)
    recipe = PICTURE_RECIPE if kind == "pictures" else LINES_RECIPE
    weights, first = learn(tmp_path, "first", recipe=recipe)
    again, second = learn(tmp_path, "second", recipe=recipe)
    assert (first.count(TAKEN), first.count("fields taken from"), first.count("kept in")) == (0, 0, 3)
    assert (second.count(TAKEN), second.count("fields taken from"), second.count("kept in")) == (2, 1, 0)
    train(tmp_path / "recipe.yaml", out=tmp_path / "without")
    run = Run(tmp_path / "without")
    alone = run.checkpoints / (run.checkpoints / "last").read_text().strip() / "model.safetensors"
    assert weights == again == alone.read_bytes()
    assert not [path for path in (tmp_path / "cache").iterdir() if path.name.startswith(".")]


def one_pixel(folder: Path) -> None:
    picture = Image.open(folder / "03.png")
    picture.putpixel((2, 2), (1, 2, 3))
    picture.save(folder / "03.png")


def one_cell(folder: Path) -> None:
    path = folder / "squares.csv"
    path.write_text(path.read_text().replace("03.png,bright", "03.png,dark"))


def no_change(folder: Path) -> None:
    path = folder / "03.png"
    path.write_bytes(path.read_bytes())


CHANGES: dict[str, tuple[Callable[[Path], None], tuple[str, ...], int]] = {
    "one pixel of a training picture": (one_pixel, (), 1),
    "one label": (one_cell, (), 1),
    "a setting of a field": (no_change, ("data.inputs.picture.height=6",), 0),
    "the share of bad rows": (no_change, ("data.max_bad=0.5",), 0),
    "nothing but the time of a file": (no_change, ("train.epochs=2",), 2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_follows_from_something_else_is_not_taken(change: str, pictures: Path) -> None:
    alter, sets, taken = CHANGES[change]
    learn(pictures, "first")
    alter(pictures)
    _, told = learn(pictures, "second", sets)
    # Fields and training rows are made again; the validation rows are the same where their fields are.
    assert told.count(TAKEN) <= taken
    if "time" in change:
        assert told.count(TAKEN) == taken


def test_another_version_takes_nothing(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learn(pictures, "first")
    monkeypatch.setattr(_cache, "__version__", "0.0.1")
    assert TAKEN not in learn(pictures, "second")[1]


def test_other_plug_in_files_take_nothing(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learn(pictures, "first")
    monkeypatch.setattr(registry, "code_files", lambda: [pictures / "recipe.yaml"])
    assert TAKEN not in learn(pictures, "second")[1]


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 4] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a flipped bit of the arrays": ("*.safetensors", flipped),
    "half of the arrays": (
        "*.safetensors",
        halved,
    ),
    "no arrays": ("*.safetensors", Path.unlink),
    "a flipped bit of the description": ("*.json", flipped),
    "an empty description": ("*.json", lambda path: path.write_bytes(b"")),
    "no description": ("*.json", Path.unlink),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_noticed_and_made_good(damage: str, pictures: Path) -> None:
    weights, _ = learn(pictures, "first")
    pattern, harm = DAMAGES[damage]
    harmed = list((pictures / "cache").glob(pattern))
    for path in harmed:
        harm(path)
    again, second = learn(pictures, "second")
    assert weights == again
    assert TAKEN not in second
    if not damage.startswith("no "):
        assert "damaged" in second
    assert learn(pictures, "third")[1].count(TAKEN) == 2


def test_a_cache_for_rows_that_are_never_encoded_at_once_is_refused(pictures: Path) -> None:
    with pytest.raises(UsageError, match="--cache keeps encoded rows that fit the memory"):
        learn(pictures, "run", ("data.resident=false",))
    assert not (pictures / "run").exists()
