"""Bad inputs D01 to D24: rows, pictures and folders that cannot be used, asked through the command line."""

from __future__ import annotations

import json
import math
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from asking import Answer, Dlw
from PIL import Image

from tests.picture_files import bomb, stored
from tests.withstood import case

RECIPE = """\
name: small
task: {task}
data:
  source: {source}
  splits: {splits}
  inputs: {inputs}
  target: {target}
  {more}
model: {{type: {model}}}
train: {{epochs: 1, batch_size: 4, threads: 1}}
"""
PLAIN = {
    "task": "classification",
    "source": "rows.csv",
    "splits": '{train: "train[:70%]", validation: "train[70%:]"}',
    "inputs": "{x: number, w: category}",
    "target": "{y: category}",
    "more": "",
    "model": "mlp, width: 4, depth: 1, number_embedding: plain",
}
GOOD = "x,w,y\n" + "".join(f"{n},{'uv'[n % 2]},{'ab'[n // 2 % 2]}\n" for n in range(20))
Teach = Callable[..., Answer]


@pytest.fixture
def teach(dlw: Dlw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Teach:
    """Write rows.csv and a recipe with changes, and ask `dlw train` to learn it."""
    monkeypatch.chdir(tmp_path)

    def train(rows: str | bytes | None = GOOD, **changes: str) -> Answer:
        if rows is not None:
            Path("rows.csv").write_bytes(rows if isinstance(rows, bytes) else rows.encode("utf-8", "surrogatepass"))
        Path("r.yaml").write_text(RECIPE.format(**{**PLAIN, **changes}))
        return dlw("train", "r.yaml", "--out", "run")

    return train


def with_cell(row: int, column: int, value: str, rows: str = GOOD) -> str:
    """Return the rows with one cell replaced; row 0 is the first below the header."""
    lines = [line.split(",") for line in rows.splitlines()]
    lines[row + 1][column] = value
    return "\n".join(map(",".join, lines)) + "\n"


NUMBER_TARGET = {"task": "regression", "target": "{y: number}", "splits": "{train: train}"}
NUMBERS = "x,w,y\n" + "".join(f"{n},{'uv'[n % 2]},{n * 1.5}\n" for n in range(20))
SERIES = "{type: windows, path: rows.csv, by: w, order: x, columns: [v], length: 3}"
TIMES = "w,x,v,y\n" + "".join(f"{'pq'[n // 8]},{n % 8},{n / 2},{'ab'[n % 2]}\n" for n in range(16))
ROWS = [
    case("D01", None, {"source": "row.csv"}, ["row.csv: no such file or folder", "looked for"]),
    case("D02", "", {}, ["rows.csv: the file is empty: 0 rows found"]),
    case("D02", "x,w,y\n", {"splits": "{train: train}"}, ["train", "0 rows"]),
    case("D02", "x,w,y\n1,u,a\n", {"splits": "{train: train}"}, ["1 rows found, at least 2 needed"]),
    case("D03", GOOD.replace("x,w,y", "x,word,y"), {}, ["missing column: w", "the table has: x, word, y"]),
    case("D03", GOOD.replace("x,w,y", "x,w,yy"), {}, ["missing column: y; did you mean yy?"]),
    case("D04", GOOD.replace("x,w,y", "x,x,y"), {}, ["duplicate column names: 'x' in columns 1, 2"]),
    case("D05", GOOD.replace(",b", ",a"), {}, ["target y", "needs two classes", "a: 14"]),
    case("D05", with_cell(0, 2, "rare"), {}, ["too few training rows of 'rare'", "rare: 1"]),
    case("D06", with_cell(2, 2, ""), {}, ["target y: 1 of 14 rows", "first rows: 2", "data.drop_missing_target: true"]),
    case("D06", with_cell(3, 2, "inf", NUMBERS), NUMBER_TARGET, ["target y: 1 of 20", "first rows: 3"]),
    case("D06", with_cell(3, 2, "nan", NUMBERS), NUMBER_TARGET, ["target y: 1 of 20", "drop_missing_target"]),
    case("D07", with_cell(4, 0, "old"), {}, ["column x: row 4: 'old' is not a number", "1 such values", "%"]),
    case("D09", with_cell(5, 0, "1e308"), {}, ["column x: row 5: 1e+308 is beyond what float32 holds"]),
    case("D09", with_cell(5, 0, "9" * 60), {}, ["column x: row 5: 1e+60 is beyond what float32 holds"]),
    case("D09", with_cell(5, 0, "9" * 400), {}, ["column x: row 5: inf is infinite"]),
    case("D13", GOOD + "1,u\n", {}, ["rows.csv:22: 2 cells where the header has 3"]),
    case("D13", GOOD + '"1,u,a\n', {}, ["rows.csv:22", "quote"]),
    case("D14", GOOD.replace("u", "ü").encode("latin-1"), {}, ["byte 8: 0xfc is not utf-8", "`encoding: latin-1`"]),
    case("D14", GOOD.encode("utf-16"), {}, ["byte 0: this is UTF-16 text", "`encoding: utf-16`"]),
    case("D15", GOOD + GOOD[6:], {"more": "strict: true"}, ["duplicate rows across splits", "%", "data.strict"]),
    case("D16", TIMES, {"source": SERIES.replace("3", "9"), "inputs": "{v@0: number}"}, ["no group has 9 rows", "8"]),
    case("D16", TIMES.replace("q,3,", "q,2,"), {"source": SERIES, "inputs": "{v@0: number}"}, ["x", "row 11", "twice"]),
    case(
        "D16", TIMES.replace("q,3,", "q,,"), {"source": SERIES, "inputs": "{v@0: number}"}, ["x", "missing", "row 11"]
    ),
]


@pytest.mark.parametrize(("rows", "changes", "words"), ROWS)
def test_rows_that_cannot_be_learned_from(
    rows: str | bytes | None, changes: dict[str, str], words: list[str], teach: Teach
) -> None:
    answer = teach(rows, **changes)
    assert answer.code == 3, answer.err
    assert [word for word in words if word not in answer.err] == [], answer.err
    assert not Path("run").exists()


@pytest.mark.withstands("bad inputs", case="D01")
def test_a_folder_and_a_file_that_may_not_be_read(teach: Teach, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("rows.csv").mkdir(parents=True)
    answer = teach(None)
    assert answer.code == 3
    assert "an empty folder, or an unknown suffix" in answer.err
    Path("rows.csv").rmdir()
    monkeypatch.setattr("dlw.sources._files.os.access", lambda *_: False)
    answer = teach()
    assert answer.code == 3
    assert "rows.csv: may not be read (permission denied)" in answer.err


@pytest.mark.withstands("bad inputs", case="D08")
@pytest.mark.parametrize(("value", "reason"), [("", "it has no values"), ("7", "it is 7 in every row")])
def test_columns_that_say_nothing_are_left_out_by_name(value: str, reason: str, teach: Teach) -> None:
    rows = "\n".join(["x,w,y,z", *(f"{line},{value}" for line in GOOD.splitlines()[1:])]) + "\n"
    answer = teach(rows, inputs="{x: number, w: category, z: number}")
    assert answer.code == 0
    assert f"column z is left out: {reason}" in answer.err
    values = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    assert all(math.isfinite(value) for line in values for value in line.values() if value is not None)


@pytest.mark.withstands("bad inputs", case="D15")
def test_rows_in_two_splits_are_told(teach: Teach) -> None:
    answer = teach(GOOD + GOOD[6:])
    assert answer.code == 0
    assert "12 of 12 validation rows (100 %) also occur in train" in answer.err


@pytest.mark.withstands("bad inputs", case="D16")
def test_times_in_any_order_give_the_same_windows(teach: Teach) -> None:
    options = {"source": SERIES, "inputs": "{v@-2: number, v@-1: number, v@0: number}"}
    assert teach(TIMES, **options).code == 0
    first = Path("run/metrics.jsonl").read_bytes()
    Path("run").rename("sorted")
    header, *lines = TIMES.splitlines()
    assert teach("\n".join([header, *lines[::-1]]) + "\n", **options).code == 0
    assert Path("run/metrics.jsonl").read_bytes() == first


# Prediction


def rows(folder: Path, text: str) -> Path:
    """Write rows to predict."""
    path = folder / "new.csv"
    path.write_text(text)
    return path


@pytest.mark.withstands("bad inputs", case="D10")
def test_an_unseen_category_is_counted_and_shown(dlw: Dlw, people: Path, tmp_path: Path) -> None:
    path = rows(tmp_path, "age,wage,town\n30,1,Graz\n30,1,Atlantis\n30,1,Atlantis\n")
    answer = dlw("predict", people / "run", path, "--json")
    assert answer.code == 0
    assert "column town: 2 of 3 values were not seen in training and count as unknown" in answer.err
    assert [found["unseen"] for found in json.loads(answer.out)["predictions"]] == [None, "town", "town"]


@pytest.mark.withstands("bad inputs", case="D11")
def test_a_missing_column_is_refused_and_an_extra_one_told(dlw: Dlw, people: Path, tmp_path: Path) -> None:
    answer = dlw("predict", people / "run", rows(tmp_path, "age,wages,town\n30,1,Graz\n"))
    assert answer.code == 3
    assert "missing column: wage; did you mean wages?" in answer.err
    answer = dlw("predict", people / "run", rows(tmp_path, "age,wage,town,shoe\n30,1,Graz,44\n"))
    assert answer.code == 0
    assert "columns that training did not have are ignored: shoe" in answer.err


@pytest.mark.withstands("bad inputs", case="D12")
def test_a_column_of_another_type_names_both(dlw: Dlw, people: Path, tmp_path: Path) -> None:
    answer = dlw("predict", people / "run", rows(tmp_path, "age,wage,town\nold,1,Graz\n"))
    assert answer.code == 3
    assert "column age: held numbers in training and holds text now" in answer.err
    answer = dlw("predict", people / "run", rows(tmp_path, "age,wage,town\n30,1,8010\n"))
    assert answer.code == 3
    assert "column town: held text in training and holds numbers now" in answer.err


# Pictures


GREY = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
COLOUR = Image.merge("RGB", [GREY, GREY, GREY])
BROKEN = {
    "zero.png": b"",
    "cut.png": stored(COLOUR)[:50],
    "cut.jpg": stored(COLOUR, "JPEG")[:200],
    "page.jpg": b"<html><body>404</body></html>",
}
TURNED = Image.Exif()
TURNED[0x0112] = 6
ODD = {
    "cmyk.jpg": stored(Image.new("CMYK", (8, 8), (9, 9, 9, 9)), "JPEG"),
    "deep.png": stored(Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 999)),
    "palette.png": stored(COLOUR.convert("P")),
    "turned.jpg": stored(COLOUR, "JPEG", exif=TURNED),
    "dot.png": stored(Image.new("RGB", (1, 1))),
}
FOLDER = {
    "source": "pictures",
    "splits": '{train: "train[:90%]", validation: "train[90%:]"}',
    "inputs": "{image: {type: image, height: 8, width: 8, channels: 3}}",
    "target": "{label: category}",
    "model": "resnet, widths: [4], depths: [1]",
}


def folder_of(good: int, files: dict[str, bytes]) -> None:
    """Write pictures of two classes in turn, the given files among the first class."""
    for number in range(good):
        place = Path("pictures", "ab"[number % 2], f"{number:03}.png")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(stored(Image.new("RGB", (8, 8), (number % 200, 9, 250 * (number % 2)))))
    for name, content in files.items():
        Path("pictures", "a", name).write_bytes(content)


@pytest.mark.withstands("bad inputs", case="D17")
@pytest.mark.parametrize("name", BROKEN)
def test_broken_pictures_are_skipped_by_name_up_to_a_share(name: str, teach: Teach) -> None:
    folder_of(20, {name: BROKEN[name]})
    answer = teach(None, **FOLDER)
    assert answer.code == 3
    assert name in answer.err
    assert "`data.max_bad` allows 1 %" in answer.err
    answer = teach(None, more="max_bad: 0.5", **FOLDER)
    assert answer.code == 0
    assert name in answer.err
    assert name in Path("run/log.txt").read_text()


@pytest.mark.withstands("bad inputs", case="D17")
def test_odd_pictures_load(teach: Teach) -> None:
    folder_of(20, ODD)
    answer = teach(None, more="max_bad: 0", **FOLDER)
    assert answer.code == 0
    assert not [name for name in ODD if name in answer.err]


@pytest.mark.withstands("bad inputs", case="D18")
def test_a_picture_bomb_is_refused_by_its_header(teach: Teach) -> None:
    folder_of(20, {"bomb.png": bomb(13_000)})
    start = time.monotonic()
    answer = teach(None, **FOLDER)
    assert answer.code == 3
    assert "bomb.png" in answer.err
    assert "169,000,000 pixels, the limit is 50,000,000 (max_pixels)" in answer.err
    assert time.monotonic() - start < 20


@pytest.mark.withstands("bad inputs", case="D24")
def test_a_folder_with_loops_pipes_and_sockets_is_read_around_them(
    teach: Teach, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("rows").mkdir()
    Path("rows/train.csv").write_text(GOOD)
    Path("rows/again").symlink_to(tmp_path / "rows")
    Path("rows/gone.csv").symlink_to(tmp_path / "nowhere")
    os.mkfifo("rows/pipe.csv")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("rows/door.csv")
        answer = teach(None, source="rows", splits="{train: train}")
    assert answer.code == 0
    for name in ("again", "gone.csv", "pipe.csv", "door.csv"):
        assert f"{name}: skipped" in answer.err


# Targets that lie on a picture

BOXED = {
    "task": "detection",
    "source": "boxes.jsonl",
    "inputs": "{image: {type: image, height: 16, width: 16, channels: 3}}",
    "target": "{boxes: boxes}",
    "model": "detector",
}


@pytest.mark.withstands("bad inputs", case="D20")
@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ([2, 2, 0, 4], "has no width or no height"),
        ([2, 2, -3, 4], "has no width or no height"),
        ([20, 2, 4, 4], "lies outside"),
        ([12, 12, 9, 9], "reaches over the edge"),
    ],
)
def test_a_box_that_cannot_be_is_named_with_what_is_allowed(box: list[int], reason: str, teach: Teach) -> None:
    places = [[1, 1, 6, 6]] * 9 + [box]
    for number in range(10):
        Image.new("RGB", (16, 16), (number, 9, 9)).save(f"{number}.png")
    lines = [
        {"image": f"{number}.png", "boxes": {"bbox": [place], "category": [0]}} for number, place in enumerate(places)
    ]
    Path("boxes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    answer = teach(None, **{**BOXED, "splits": "{train: train}"})
    assert answer.code == 3, answer.err
    assert "9.png" in answer.err
    assert f"box [{', '.join(map(str, box))}] {reason}, allowed is 0 to 16 x 0 to 16 pixels" in answer.err


@pytest.mark.withstands("bad inputs", case="D20")
def test_a_mask_with_an_unknown_class_is_named_with_what_is_allowed(teach: Teach) -> None:
    lines = []
    for number in range(10):
        mask = np.zeros((16, 16), np.uint8)
        mask[4:9] = 1 if number < 9 else 7
        Image.fromarray(mask).save(f"mask-{number}.png")
        Image.new("RGB", (16, 16), (number, 9, 9)).save(f"{number}.png")
        lines.append({"image": f"{number}.png", "mask": f"mask-{number}.png"})
    Path("masks.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    masked = {"task": "segmentation", "source": "masks.jsonl", "target": "{mask: {type: mask, classes: [sky, car]}}"}
    answer = teach(None, **{**BOXED, **masked, "splits": "{train: train}", "model": "unet"})
    assert answer.code in (2, 3), answer.err
    assert "mask-9.png" in answer.err
    assert "holds the class id 7, allowed are 0 to 1" in answer.err
