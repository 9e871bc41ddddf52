"""New recipes: complete, checked by the same rules as any other, and right about what the target is."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dlw.errors import DataError, UsageError
from dlw.progress import Silent
from dlw.recipe.check import load_recipe
from dlw.recipe.schema import Recipe
from dlw.verbs._fit import fit
from dlw.verbs._rows import load_tables
from dlw.verbs.new import new
from dlw.verbs.train import train

DATA = Path(__file__).parents[2] / "recipes" / "data"


def table(path: Path, target: list[object]) -> Path:
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


@pytest.mark.parametrize(
    ("file", "command", "name"),
    [
        (None, "dlw train houses.yaml && dlw evaluate runs/houses-1", "houses"),
        ("cheap.yaml", "dlw train cheap.yaml && dlw evaluate runs/cheap-1", "cheap"),
        (
            "of mine/über-texts.yaml",
            "dlw train 'of mine/über-texts.yaml' && dlw evaluate runs/ber-texts-1",
            "ber-texts",
        ),
    ],
)
def test_the_name_and_the_command_are_those_of_the_file(
    tmp_path: Path, file: str | None, command: str, name: str
) -> None:
    path = table(tmp_path / "houses.csv", [0, 1] * 60)
    text = new(path, target="goal", folder=tmp_path, file=Path(file) if file else None)
    assert f"#   {command}" in text.splitlines()
    assert usable(text, tmp_path).name == name


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
    assert "# validation cut from train, the data has its own test" in text
    assert "splits: {type: stratified, train: 0.9, validation: 0.1, test: 0}" in text
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
    [
        (None, "--target 'size m2'   # regression: 18 different numbers\n  --target no   # classi"),
        ("gaol", "mean goal"),
    ],
)
def test_an_unknown_target_is_a_usage_error(tmp_path: Path, target: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        new(table(tmp_path / "x.csv", [1, 2] * 9), target=target, folder=tmp_path)


def test_texts_that_are_no_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="60 different texts in 60 rows are not classes"):
        new(table(tmp_path / "x.csv", [f"text {row}" for row in range(60)]), target="goal", folder=tmp_path)
    with pytest.raises(DataError, match="no such file or folder"):
        new(tmp_path / "none.csv", target="goal")


def pictures(folder: Path, names: list[str]) -> list[Path]:
    files = [folder / name for name in names]
    for place, file in enumerate(files):
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (32, 24), 5 * place).save(file)
    return files


def coco(root: Path) -> None:
    files = pictures(root / "images", [f"{place}.png" for place in range(30)])
    images = [{"id": k, "file_name": file.name, "width": 32, "height": 24} for k, file in enumerate(files)]
    notes = [{"id": k, "image_id": k, "category_id": 7, "bbox": [2, 3, 9, 8], "iscrowd": 0} for k in range(30)]
    tree = {"images": images, "annotations": notes, "categories": [{"id": 7, "name": "cell"}]}
    (root / "notes.json").write_text(json.dumps(tree))


def voc(root: Path) -> None:
    box = "<xmin>2</xmin><ymin>3</ymin><xmax>11</xmax><ymax>11</ymax>"
    for file in pictures(root, [f"{place}.png" for place in range(30)]):
        note = f"<annotation><object><name>cell</name><bndbox>{box}</bndbox></object></annotation>"
        file.with_suffix(".xml").write_text(note)


def yolo(root: Path) -> None:
    for file in pictures(root / "images", [f"{place}.png" for place in range(30)]):
        label = root / "labels" / f"{file.stem}.txt"
        label.parent.mkdir(exist_ok=True)
        label.write_text("0 0.4 0.4 0.2 0.3\n")
    (root / "classes.txt").write_text("cell\n")


def masks(root: Path) -> None:
    pictures(root / "images", [f"{place}.png" for place in range(30)])
    for place in range(30):
        mask = np.zeros((24, 32), np.uint8)
        mask[:, place % 20 + 4 :] = 255
        (root / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(root / "masks" / f"{place}.png")


@pytest.mark.parametrize(("make", "task"), [(coco, "detection"), (voc, "detection"), (yolo, "detection")])
def test_annotations_are_recognised(tmp_path: Path, make: Callable[[Path], None], task: str) -> None:
    (tmp_path / "cells").mkdir()
    make(tmp_path / "cells")
    recipe = usable(new(tmp_path / "cells", folder=tmp_path), tmp_path)
    assert recipe.task.type == task
    assert not isinstance(recipe.data.source, str | list)
    assert recipe.data.source.type == make.__name__


def test_black_and_white_masks_beside_pictures(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    masks(tmp_path / "cells")
    recipe = usable(new(tmp_path / "cells", folder=tmp_path), tmp_path)
    assert recipe.data.target["mask"].options == {"classes": ["background", "object"], "greys": [0, 255]}
    yolo(tmp_path / "cells")
    voc(tmp_path / "cells")
    with pytest.raises(UsageError, match="could be read as voc or yolo or mask_folder"):
        new(tmp_path / "cells", folder=tmp_path)


def recordings(path: Path, *, is_time: bool) -> Path:
    """Write ten machines of thirty hours, with what they have left."""
    rows = [(f"m{machine}", hour, machine + np.sin(hour), 30 - hour) for machine in range(10) for hour in range(30)]
    machine, hour, heat, left = (list(column) for column in zip(*rows, strict=True))
    times = [f"2024-01-{1 + step // 24:02d} {step % 24:02d}:00:00" for step in hour]
    strange = [int(step > 27) for step in hour]
    columns = {"machine": machine, "when": times if is_time else hour, "heat": heat, "left": left, "anomaly": strange}
    pc.write_csv(pa.table(columns), path)
    return path


def test_recordings_are_windows_and_stay_whole(tmp_path: Path) -> None:
    path = recordings(tmp_path / "engines.csv", is_time=False)
    recipe = usable(new(path, target="left", folder=tmp_path), tmp_path)
    assert not isinstance(recipe.data.source, str | list)
    assert recipe.data.source.options["by"] == "machine"
    assert recipe.data.source.options["columns"] == ["heat"]
    assert recipe.data.splits is not None
    assert recipe.data.splits.type == "group"  # type: ignore[union-attr]
    assert isinstance(recipe.data.inputs, dict)
    assert list(recipe.data.inputs) == ["history"]


def test_a_recording_that_is_to_be_named_is_in_every_split(tmp_path: Path) -> None:
    path = recordings(tmp_path / "engines.csv", is_time=False)
    recipe = usable(new(path, target="machine", folder=tmp_path), tmp_path)
    assert recipe.data.splits.type == "time"  # type: ignore[union-attr]
    tables = load_tables(recipe, tmp_path, tmp_path / "cache", Silent())
    assert {len(set(table["machine"].to_pylist())) for table in tables.values()} == {10}


def test_times_can_be_forecast_or_searched_for_what_is_strange(tmp_path: Path) -> None:
    path = recordings(tmp_path / "engines.csv", is_time=True)
    with pytest.raises(UsageError, match=r"--task forecasting   # (.|\n)*--target anomaly   # anomaly"):
        new(path, folder=tmp_path)
    recipe = usable(new(path, task="forecasting", folder=tmp_path), tmp_path)
    assert recipe.task.type == "forecasting"
    text = new(path, target="anomaly", task="anomaly", folder=tmp_path)
    assert 'task: {type: anomaly, normal: ["0"]}' in text
    with pytest.raises(UsageError, match=r"--task forecasting --target heat(.|\n)*--task regression --target heat"):
        new(path, target="heat", folder=tmp_path)


def test_ratings_are_told_from_users_and_items(tmp_path: Path) -> None:
    rows = [(user, item, (user * item) % 5 + 1) for user in range(20) for item in range(user % 3, 20, 3)]
    columns = dict(zip(("user_id", "movie_id", "rating"), map(list, zip(*rows, strict=True)), strict=True))
    pc.write_csv(pa.table(columns), tmp_path / "log.csv")
    assert "task: recommendation" in new(tmp_path / "log.csv", folder=tmp_path)
    recipe = usable(new(tmp_path / "log.csv", target="rating", folder=tmp_path), tmp_path)
    assert recipe.model.type == "factorization"
    assert recipe.task.type == "classification"
    stars = new(tmp_path / "log.csv", target="rating", task="regression", folder=tmp_path)
    assert usable(stars, tmp_path).task.type == "regression"
    assert isinstance(recipe.data.inputs, dict)
    assert {block.type for block in recipe.data.inputs.values()} == {"category"}


def test_groups_are_not_split(tmp_path: Path) -> None:
    rows = 200
    table = {"patient": [f"p{row % 20}" for row in range(rows)], "x": [row % 9 for row in range(rows)]}
    table["ill"] = [row % 2 for row in range(rows)]
    pc.write_csv(pa.table(table), tmp_path / "visits.csv")
    text = new(tmp_path / "visits.csv", target="ill", folder=tmp_path)
    assert "splits: {type: group, by: patient, train: 0.8, validation: 0.1, test: 0.1, seed: " in text
    assert "# rows of one patient stay together" in text
    usable(text, tmp_path)


def test_texts_are_written_from_texts(tmp_path: Path) -> None:
    rows = [f"a man number {row} walks by the sea" for row in range(80)]
    table = {"en": rows, "de": [f"ein Mann Nummer {row} geht am Meer" for row in range(80)]}
    pq.write_table(pa.table(table), tmp_path / "pairs.parquet")
    with pytest.raises(UsageError, match=r"--target en   # sequence_to_sequence: written from de(.|\n)*--target de"):
        new(tmp_path / "pairs.parquet", folder=tmp_path)
    recipe = usable(new(tmp_path / "pairs.parquet", target="de", folder=tmp_path), tmp_path)
    assert isinstance(recipe.data.inputs, dict)
    assert (list(recipe.data.inputs), recipe.model.type) == (["en"], "encoder_decoder")
    table = {"en": rows + rows, "de": table["de"] + [f"Mann {row} geht am Meer" for row in range(80)]}
    pq.write_table(pa.table(table), tmp_path / "pairs.parquet")
    text = new(tmp_path / "pairs.parquet", target="de", folder=tmp_path)
    assert "type: group, by: en" in text
    assert "rows of the same en stay together" in text
    usable(text, tmp_path)


@pytest.mark.parametrize(
    ("name", "flags", "task", "model"),
    [
        ("spoken_digits", {}, "classification", "sound_conv"),
        ("film_nights", {}, "recommendation", "sequential"),
        ("co2_weekly.csv", {}, "forecasting", "linear_series"),
        ("made_molecules.csv", {}, "regression", "message_passing"),
        ("shakespeare.txt", {}, "language_modeling", "gpt"),
        ("docstrings.csv", {}, "classification", "ngram_bag"),
        ("digits_canvas", {"target": "mask"}, "segmentation", "unet"),
        ("penguins.csv", {"task": "clustering"}, "clustering", "cluster_autoencoder"),
        ("digits.parquet", {"task": "embedding"}, "embedding", "resnet"),
        ("digits.parquet", {"task": "anomaly"}, "anomaly", "feature_memory"),
    ],
)
def test_the_data_that_come_along(tmp_path: Path, name: str, flags: dict[str, str], task: str, model: str) -> None:
    recipe = usable(new(DATA / name, folder=tmp_path, **flags), tmp_path)  # type: ignore[arg-type]
    assert (recipe.task.type, recipe.model.type) == (task, model)


def texts(path: Path) -> None:
    path.mkdir()
    for place in range(40):
        (path / f"{place:02}.txt").write_text(["yes", "no", "perhaps"][place % 3])


def play(path: Path) -> None:
    path.write_text("".join(f"ROMEO:\nAh, number {place % 7}!\n\n" for place in range(60)))


@pytest.mark.parametrize("make", [texts, play])
def test_plain_text_is_text_however_few_its_rows(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "words.txt")
    recipe = usable(new(tmp_path / "words.txt", folder=tmp_path), tmp_path)
    assert (recipe.task.type, recipe.data.inputs["text"].type) == ("language_modeling", "text")  # type: ignore[index]


@pytest.mark.parametrize("blank", ["", "\n\n"])
def test_text_of_few_paragraphs_is_read_by_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("log.txt")
    path.write_text("".join(f"12:00:{place % 60:02} all is well{blank * (place == 7)}\n" for place in range(300)))
    text = new(path)
    assert "source: {type: text, path: log.txt, rows: lines, breaks: true}" in text
    usable(text, tmp_path)


def test_folders_of_texts_learn_their_folders(tmp_path: Path) -> None:
    for row in range(60):
        file = tmp_path / f"reviews/{'good' if row % 2 else 'bad'}/{row}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(["bad", "good", "very bad", "very good"][row % 4])
    recipe = usable(new(tmp_path / "reviews", folder=tmp_path), tmp_path)
    assert (recipe.task.type, recipe.model.type) == ("classification", "ngram_bag")
    assert (recipe.data.inputs["text"].type, list(recipe.data.target)) == ("text", ["label"])  # type: ignore[index]
    recipe = usable(new(tmp_path / "reviews", task="language_modeling", folder=tmp_path), tmp_path)
    assert "separate" not in recipe.task.options


@pytest.mark.parametrize(("name", "is_running"), [("shakespeare.txt", True), ("docstrings.csv", False)])
def test_only_the_rows_of_plain_text_follow_one_another(tmp_path: Path, name: str, is_running: bool) -> None:
    recipe = usable(new(DATA / name, task="language_modeling", folder=tmp_path), tmp_path)
    assert recipe.task.options.get("separate", True) is not is_running


def test_a_new_recipe_trains_without_edits(tmp_path: Path) -> None:
    (tmp_path / "made.yaml").write_text(new(DATA / "penguins.csv", target="species", folder=tmp_path))
    sets = ["train.epochs=null", "train.steps=2", "train.validate_every=1 epoch", "train.threads=1"]
    assert train(tmp_path / "made.yaml", out=tmp_path / "run", sets=sets).is_finished


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"task": "detecting"}, r"no such task; did you mean detection\?"),
        ({"task": "detection"}, "these data are good for .*classification"),
        ({"target": ["no", "goal"]}, "these data are good for"),
    ],
)
def test_what_does_not_fit_says_what_does(tmp_path: Path, flags: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        new(table(tmp_path / "x.csv", ["a", "b"] * 20), folder=tmp_path, **flags)  # type: ignore[arg-type]


def test_what_is_no_target_is_answered_with_what_to_say(tmp_path: Path) -> None:
    talk = [{"role": "user", "content": "knock"}, {"role": "assistant", "content": "who"}]
    path = tmp_path / "chat.jsonl"
    path.write_text(f"{json.dumps({'messages': talk})}\n" * 40)
    with pytest.raises(UsageError) as caught:
        new(path, target="messages", folder=tmp_path)
    told, *ways = str(caught.value).splitlines()
    assert told.endswith("(messages: messages); say instead:")
    assert ways == ["  --task language_modeling   # language_modeling: what the assistant says in a chat"]
    assert usable(new(path, task="language_modeling", folder=tmp_path), tmp_path).task.type == "language_modeling"


STRANGE = ["a b", "line\u2028recipe: 2", "next\x85: x", 'quo"#te', "tail\n", "${seed}", "\ufeffmark", "\U0001f600"]


def test_names_of_any_letters_are_written_so_that_they_are_read_back(tmp_path: Path) -> None:
    folder = tmp_path / "of ${seed} \u2028name: x"
    folder.mkdir()
    random = np.random.default_rng(0)
    columns = {name: random.normal(size=90) for name in STRANGE}
    pq.write_table(pa.table({**columns, "goal": ["yes", "no", "no"] * 30}), folder / "t.parquet")
    recipe = usable(new(folder, target="goal", folder=tmp_path), tmp_path)
    assert isinstance(recipe.data.inputs, dict)
    assert list(recipe.data.inputs) == STRANGE
    days = [f"2024-01-{day:02}" for day in range(1, 32)]
    pq.write_table(pa.table({"date": days, "${seed}": random.normal(size=31)}), tmp_path / "t.parquet")
    (tmp_path / "days.yaml").write_text(new(tmp_path / "t.parquet", folder=tmp_path))
    source = load_recipe(tmp_path / "days.yaml").recipe.data.source
    assert source.options["columns"] == ["${seed}"]  # type: ignore[union-attr]


def test_infinite_inputs_count_as_missing_where_the_recipe_says_so(tmp_path: Path) -> None:
    path = tmp_path / "rates.csv"
    path.write_text(
        "rate,y\n" + "".join(f"{'inf' if row % 9 == 0 else row / 7},{'ab'[row % 2]}\n" for row in range(90))
    )
    text = new(path, target="y", folder=tmp_path)
    assert "inputs: {rate: {type: number, infinite: missing}}" in text
    usable(text, tmp_path)


def test_infinite_targets_count_as_missing(tmp_path: Path) -> None:
    prices = [*(step * 0.5 for step in range(118)), float("inf"), None]
    text = new(table(tmp_path / "houses.csv", prices), target="goal", folder=tmp_path)
    assert "drop_missing_target: true   # 2 rows have none" in text
    usable(text, tmp_path)


def _no_rows(path: Path) -> None:
    path.write_text("a,label\n")


@pytest.mark.parametrize(
    ("make", "message"),
    [(_no_rows, "0 training rows found, at least 2 needed"), (os.mkfifo, "a pipe"), (lambda _: None, "no such file")],
)
def test_what_holds_no_rows_is_told(tmp_path: Path, make: Callable[[Path], None], message: str) -> None:
    make(tmp_path / "t.csv")
    with pytest.raises(DataError, match=message):
        new(tmp_path / "t.csv", folder=tmp_path)
