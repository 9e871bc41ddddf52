"""Loading: sources found in order, splits checked, targets complete, leaks counted, `inputs: auto` explained."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dlw.errors import DataError
from dlw.progress import Silent
from dlw.recipe.schema import Recipe
from dlw.verbs._leaks import row_codes
from dlw.verbs._rows import load_tables, resolve_inputs
from tests.heard import Heard


def recipe(source: Any = "rows.csv", target: Any = "y", **data: Any) -> Recipe:
    tree = {"source": source, "target": {target: "category"} if isinstance(target, str) else target, **data}
    return Recipe.model_validate({"name": "x", "task": "classification", "model": "mlp", "data": tree})


def write(folder: Path, name: str = "rows.csv", text: str = "x,y\n1,a\n2,b\n3,a\n4,b\n") -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def load(folder: Path, made: Recipe, listener: Any = None) -> dict[str, pa.Table]:
    return load_tables(made, folder, folder / "cache", listener or Silent())


def test_relative_paths_start_at_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "data/rows.csv")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for source in ("data/rows.csv", str(tmp_path / "data/rows.csv"), ["data/rows.csv"], "data/*.csv", "data"):
        assert len(load(tmp_path, recipe(source))["train"]) == 4
    assert len(load(tmp_path, recipe({"type": "csv", "path": "data/rows.csv", "delimiter": ","}))["train"]) == 4


def test_the_mirror_answers_for_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "mirror/set/train.csv")
    monkeypatch.setenv("DLW_DATA", str(tmp_path / "mirror"))
    for source in ("owner/set", "set", "../data/set", {"type": "csv", "path": "owner/set"}):
        assert len(load(tmp_path, recipe(source))["train"]) == 4
    write(tmp_path, "mirror/set/part/train.csv", "x,y\n1,a\n2,b\n3,a\n")
    assert len(load(tmp_path, recipe("set/part"))["train"]) == 3
    write(tmp_path, "owner/set/train.csv", "x,y\n1,a\n2,b\n")
    assert len(load(tmp_path, recipe("owner/set"))["train"]) == 2


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("row.csv", r"row\.csv: no such file or folder .*; did you mean rows\.csv\?"),
        ("no/where/at/all.csv", "no such file or folder"),
        ({"type": "csv", "path": "row.csv"}, r"did you mean rows\.csv\?"),
        ("notes.doc", r"notes\.doc: not a kind of data known here \(arrow, coco, csv"),
        ("both", r"as csv or parquet; keep one kind of data there, or say which: `source: \{type: csv, path: both\}`"),
        (["rows.csv", "both/a.parquet"], "files of different kinds"),
        ([], "the list is empty"),
        ("empty", "an empty folder"),
        ("owner/set", "HF_HUB_OFFLINE forbids the Hub"),
    ],
)
def test_sources_that_cannot_be_opened_are_told(tmp_path: Path, source: Any, message: str) -> None:
    write(tmp_path), write(tmp_path, "notes.doc"), write(tmp_path, "both/a.csv")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "both/a.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=message):
        load(tmp_path, recipe(source))


@pytest.mark.parametrize(
    ("text", "data", "message"),
    [
        ("x,y\n", {}, "the train split: 0 rows found, at least 2 needed"),
        ("x,y\n1,a\n", {}, "the train split: 1 rows found, at least 2 needed"),
        ("x,z\n1,a\n2,b\n", {}, "missing column: y; the table has: x, z"),
        ("xx,y\n1,a\n2,b\n", {"inputs": {"x1": "number"}}, r"missing column: x1"),
        ("wage,y\n1,a\n2,b\n", {"inputs": {"wages": "number"}}, r"missing column: wages; did you mean wage\?"),
        ("x,y\n1,a\n2,\n3,b\n4,\n", {}, r"target y: 2 of 4 rows of the train split have no .*\(first rows: 1, 3\)"),
    ],
)
def test_rows_that_cannot_be_learned_from_are_told(
    tmp_path: Path, text: str, data: dict[str, Any], message: str
) -> None:
    write(tmp_path, text=text)
    with pytest.raises(DataError, match=message):
        load(tmp_path, recipe(**data))


@pytest.mark.withstands("bad inputs", case="D06")
def test_rows_without_a_target_can_be_left_out(tmp_path: Path) -> None:
    write(tmp_path, text="x,y\n1,0.5\n2,\n3,inf\n4,2\n")
    with pytest.raises(DataError, match=r"2 of 4 rows .* no finite value .* `data.drop_missing_target: true`"):
        load(tmp_path, recipe(target={"y": "number"}))
    heard = Heard()
    tables = load(tmp_path, recipe(target={"y": "number"}, drop_missing_target=True), heard)
    assert tables["train"]["x"].to_pylist() == [1, 4]
    assert heard.lines == ["train: 2 of 4 rows left out, they have no target"]


def test_gaps_in_labels_are_no_missing_targets(tmp_path: Path) -> None:
    write(tmp_path, text="x,p,q\n1,1,\n2,,0\n3,0,1\n")
    assert len(load(tmp_path, recipe(target={"p": "labels", "q": "labels"}))["train"]) == 3


@pytest.mark.withstands("bad inputs", case="D15")
def test_rows_in_two_splits_are_counted_and_strict_refuses_them(tmp_path: Path) -> None:
    write(tmp_path, "set/train.csv", "x,w,y\n1,u,a\n2,u,b\n3,,a\n")
    write(tmp_path, "set/test.csv", "x,w,y\n2,u,a\n3,,a\n2,v,b\n9,u,b\n")
    heard = Heard()
    load(tmp_path, recipe("set"), heard)
    assert heard.warnings == ["2 of 4 test rows (50 %) also occur in train: equal inputs make that score too good"]
    with pytest.raises(DataError, match=r"duplicate rows across splits \(`data.strict`\): 2 of 4 test rows"):
        load(tmp_path, recipe("set", strict=True))


def test_equal_pictures_are_found_by_content(tmp_path: Path) -> None:
    for place, shade in (("train/a/1", 0), ("train/b/2", 9), ("test/a/3", 9), ("test/b/4", 7)):
        (tmp_path / f"set/{place}.png").parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (3, 3), shade).save(tmp_path / f"set/{place}.png")
    heard = Heard()
    load(tmp_path, recipe("set", target="label"), heard)
    assert heard.warnings == ["1 of 2 test rows (50 %) also occur in train: equal inputs make that score too good"]


def test_row_codes_tell_every_value_apart() -> None:
    left = pa.table({"a": [1, 1, None, 2], "b": ["x", "y", "x", None], "c": [[1], [1], [2], None]})
    right = pa.table({"a": [None, 1, 2], "b": ["x", "x", "y"], "c": [[2], [1], None]})
    codes = row_codes({"l": left, "r": right}, ["a", "b", "c"])
    assert len(set(codes["l"].tolist())) == 4
    assert [int(np.flatnonzero(codes["l"] == code)[0]) if code in codes["l"] else None for code in codes["r"]] == [
        2,
        0,
        None,
    ]


def test_text_that_names_pictures_is_taken_from_beside_the_table(tmp_path: Path) -> None:
    write(tmp_path, "set/rows.csv", "file,y\nimg/1.png,a\nimg/2.png,b\n,a\n")
    for inputs in ("auto", {"file": "image"}):
        table = load(tmp_path, recipe("set/rows.csv", inputs=inputs))["train"]
        assert table["file"][1].as_py() == {"bytes": None, "path": str(tmp_path / "set/img/2.png")}
        assert table["file"][2].as_py() is None


def png() -> dict[str, Any]:
    file = io.BytesIO()
    Image.new("L", (3, 3)).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


AUTO: dict[str, tuple[list[Any], str]] = {
    "age": ([step % 70 for step in range(200)], "number"),
    "price": ([step * 1.5 for step in range(200)], "number"),
    "as_text": ([f"{step}.5" for step in range(200)], "number"),
    "flag": ([step % 2 == 0 for step in range(200)], "category"),
    "city": ([f"city {step % 30}" for step in range(200)], "category"),
    "day": ([f"2024-01-{step % 28 + 1:02}" for step in range(200)], "timestamp"),
    "picture": ([png()] * 200, "image"),
    "row_id": ([1000 * step for step in range(200)], "every row has its own number"),
    "counter": (list(range(7, 207)), "every row has its own number"),
    "code": ([f"K{step:05}" for step in range(200)], "looks like an identifier (200 different values in 200 rows)"),
    "note": ([f"the customer number {step} was not happy" for step in range(200)], "is free text"),
    "same": (["x"] * 200, "is 'x' in every row"),
    "empty": ([None] * 200, "has no values"),
    "tags": ([["a"]] * 200, "are not an input that can be guessed"),
}


@pytest.mark.parametrize("name", AUTO)
def test_auto_decides_each_column_or_says_why_not(name: str) -> None:
    values, expected = AUTO[name]
    table = pa.table({"anchor": [0.5, 1.5] * 100, name: values, "y": ["a", "b"] * 100, "out": list(range(200))})
    heard = Heard()
    resolved = resolve_inputs(recipe(drop=["out"]), table, heard).data
    assert resolved.drop == []
    inputs = resolved.inputs
    assert isinstance(inputs, dict)
    assert set(inputs) <= {"anchor", name}
    if name in inputs:
        assert inputs[name].type == expected
        assert heard.lines == [f"inputs: auto: anchor: number, {name}: {expected}"]
    else:
        assert f"leaves out {name}: " in heard.lines[0]
        assert expected in heard.lines[0]


def test_auto_with_nothing_left_is_an_error() -> None:
    with pytest.raises(DataError, match="found no column to learn from"):
        resolve_inputs(recipe(), pa.table({"y": ["a", "b"]}), Silent())


def test_named_inputs_stay_as_they_are() -> None:
    made = recipe(inputs={"x": "number"})
    assert resolve_inputs(made, pa.table({"x": [1], "y": ["a"]}), Silent()) is made


def test_rows_of_two_tables_are_compared_by_value() -> None:
    """Whole numbers in one table and fractions in the other, words and their dictionary."""
    one = pa.table({"size": [1, 2, 3], "town": ["Graz", "Linz", "Wien"]})
    other = pa.table({"size": [3.0, 2.0, 2.5], "town": pa.array(["Wien", "Graz", "Linz"]).dictionary_encode()})
    codes = row_codes({"one": one, "other": other}, ["size", "town"])
    assert np.isin(codes["other"], codes["one"]).tolist() == [True, False, False]
