"""The formats that pictures are annotated in give the same rows; what is wrong is told with its file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dlw import registry
from dlw.errors import DataError
from tests.heard import Heard

WIDTH, HEIGHT = 40, 20
OBJECTS: dict[str, list[tuple[str, list[float]]]] = {
    "a": [("cat", [4.0, 2.0, 10.0, 6.0]), ("dog", [20.0, 10.0, 20.0, 10.0])],
    "b": [("dog", [0.0, 0.0, 8.0, 4.0])],
    "c": [],
}
NAMES = ["cat", "dog"]
SPLIT = {"a": "train", "b": "val", "c": "train"}


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(path)


def write_coco(root: Path) -> Path:
    for split in ("train", "val"):
        stems = [stem for stem in OBJECTS if SPLIT[stem] == split]
        for stem in stems:
            picture(root / f"{split}2017" / f"{stem}.png")
        annotations: list[dict[str, Any]] = [
            {"image_id": OBJECTS_ID[stem], "bbox": box, "category_id": 7 + NAMES.index(name)}
            for stem in stems
            for name, box in OBJECTS[stem]
        ]
        annotations.append({"image_id": OBJECTS_ID[stems[0]], "bbox": [0, 0, 5, 5], "category_id": 7, "iscrowd": 1})
        content = {
            "images": [{"id": OBJECTS_ID[stem], "file_name": f"{stem}.png"} for stem in stems],
            "categories": [{"id": 7 + place, "name": name} for place, name in enumerate(NAMES)],
            "annotations": annotations,
        }
        file = root / "annotations" / f"instances_{split}2017.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content))
    return root / "annotations"


def write_voc(root: Path) -> Path:
    for stem, objects in OBJECTS.items():
        picture(root / "JPEGImages" / f"{stem}.png")
        file = root / "Annotations" / f"{stem}.xml"
        file.parent.mkdir(parents=True, exist_ok=True)
        inner = "".join(
            f"<object><name>{name}</name><difficult>{int(name == 'cat')}</difficult><bndbox><xmin>{x}</xmin>"
            f"<ymin>{y}</ymin><xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox></object>"
            for name, (x, y, w, h) in objects
        )
        file.write_text(f"<annotation><filename>{stem}.png</filename>{inner}</annotation>")
    lists = root / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    for split in ("train", "val"):
        (lists / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in OBJECTS if SPLIT[stem] == split))
    return root


def write_yolo(root: Path) -> Path:
    for stem, objects in OBJECTS.items():
        picture(root / SPLIT[stem] / "images" / f"{stem}.png")
        file = root / SPLIT[stem] / "labels" / f"{stem}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        if objects:
            file.write_text(
                "".join(
                    f"{NAMES.index(name)} {(x + w / 2) / WIDTH} {(y + h / 2) / HEIGHT} {w / WIDTH} {h / HEIGHT}\n"
                    for name, (x, y, w, h) in objects
                )
            )
    (root / "data.yaml").write_text("train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['cat', 'dog']\n")
    return root


def write_masks(root: Path) -> Path:
    for stem in OBJECTS:
        picture(root / SPLIT[stem] / "images" / f"{stem}.png")
        picture(root / SPLIT[stem] / "masks" / f"{stem}.png")
    return root


OBJECTS_ID = {stem: 100 + place for place, stem in enumerate(OBJECTS)}
WRITERS: dict[str, Callable[[Path], Path]] = {"coco": write_coco, "voc": write_voc, "yolo": write_yolo}


def tables(source: str, path: Path, **options: Any) -> dict[str, Any]:
    module = registry.load("sources", source)
    opened: dict[str, Any] = module.open_tables(module.Settings(path=str(path), **options), path, Heard())
    return opened


@pytest.mark.parametrize("source", WRITERS)
def test_every_format_gives_the_same_rows(source: str, tmp_path: Path) -> None:
    found = tables(source, WRITERS[source](tmp_path))
    assert list(found) == ["train", "validation"]
    seen = {}
    for split, table in found.items():
        for row in table.to_pylist():
            stem = Path(row["image"]["path"]).stem
            assert Path(row["image"]["path"]).is_file()
            assert {"train": "train", "val": "validation"}[SPLIT[stem]] == split
            assert len(set(zip(row["objects"]["category"], row["objects"]["category_name"], strict=True))) <= 2
            boxes = [[round(number, 6) for number in box] for box in row["objects"]["bbox"]]
            seen[stem] = list(zip(row["objects"]["category_name"], boxes, strict=True))
    assert seen == OBJECTS


@pytest.mark.parametrize("source", WRITERS)
def test_boxes_of_every_format_can_be_encoded(source: str, tmp_path: Path) -> None:
    """The field takes what the source gives, with its own settings left as they are."""
    from dlw.fields._base import Beside

    train = tables(source, WRITERS[source](tmp_path))["train"]
    image, boxes = registry.load("fields", "image"), registry.load("fields", "boxes")
    settings = image.Settings()
    state = image.build(settings, "image", "input").fit(train["image"])
    beside = Beside(train["image"], state, settings.model_dump(mode="json"))
    field = boxes.build(boxes.Settings(), "objects", "target")
    encoded = field.encode(train["objects"], field.fit(train["objects"], beside), beside)
    assert encoded.bad == {}
    assert encoded.array[0, :2].tolist() == [[0, 4, 2, 14, 8], [1, 20, 10, 40, 20]]
    assert (encoded.array[1, :, 0] == -1).all()


def test_voc_leaves_difficult_boxes_out_where_asked(tmp_path: Path) -> None:
    rows = tables("voc", write_voc(tmp_path), difficult=False)["train"].to_pylist()
    assert [row["objects"]["category_name"] for row in rows] == [["dog"], []]


@pytest.mark.withstands("security", case="X3")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>', "a document type is not allowed"),
        ('<?xml version="1.0"?>\n<!doctype a SYSTEM "file:///etc/passwd"><a/>', "a document type is not allowed"),
        ("<annotation><object></annotation>", "not XML"),
        ("<a>" + " " * 2**20 + "</a>", "the limit is 1,048,576"),
        ("<annotation><object><name>cat</name></object></annotation>", "object 1: bndbox needs the numbers"),
        ("<annotation><object><bndbox><xmin>1</xmin></bndbox></object></annotation>", "bndbox needs the numbers"),
    ],
)
def test_voc_files_that_are_refused(content: str, reason: str, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "a.xml").write_text(content)
    with pytest.raises(DataError, match=rf"a\.xml: .*{reason}"):
        tables("voc", tmp_path)


def test_voc_refuses_a_document_type_in_another_encoding(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "a.xml").write_bytes('<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a><a/>'.encode("utf-16"))
    with pytest.raises(DataError, match="not UTF-8"):
        tables("voc", tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"categories": []}, "not COCO instances: KeyError"),
        ({"images": [{"id": 1}]}, "not COCO instances: KeyError"),
        ({"images": [{"id": 100, "file_name": "../../x.png"}]}, "is in none of|leads outside"),
        ({"annotations": [{"image_id": 55, "bbox": [0, 0, 1, 1], "category_id": 7}]}, "KeyError"),
        ({"annotations": 3}, "not COCO instances: TypeError"),
    ],
)
def test_coco_files_that_are_refused(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    file = write_coco(tmp_path) / "instances_train2017.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(DataError, match=rf"train2017\.json: .*({reason})"):
        tables("coco", file)


@pytest.mark.parametrize("text", ["[]", "{", "[" * 100_000])
def test_coco_needs_an_object(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match=r"x\.json"):
        tables("coco", tmp_path / "x.json")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 0.5 0.5 0.1", "expected `class x y width height`"),
        ("0 0.5 0.5 0.1 a", "expected `class x y width height`"),
        ("2 0.5 0.5 0.1 0.1", "class 2, allowed are 0 to 1"),
    ],
)
def test_yolo_lines_that_are_refused(line: str, reason: str, tmp_path: Path) -> None:
    write_yolo(tmp_path)
    (tmp_path / "train/labels/a.txt").write_text(f"1 0.5 0.5 0.1 0.1\n{line}\n")
    with pytest.raises(DataError, match=rf"a\.txt:2: {reason}"):
        tables("yolo", tmp_path)


def test_yolo_names_come_from_either_file(tmp_path: Path) -> None:
    write_yolo(tmp_path)
    (tmp_path / "data.yaml").write_text("names: {0: puss, 1: hound}\n")
    assert tables("yolo", tmp_path)["validation"].to_pylist()[0]["objects"]["category_name"] == ["hound"]
    (tmp_path / "data.yaml").unlink()
    with pytest.raises(DataError, match=r"needs data\.yaml with `names`, or classes\.txt"):
        tables("yolo", tmp_path)
    (tmp_path / "classes.txt").write_text("one\ntwo\n")
    assert tables("yolo", tmp_path)["validation"].to_pylist()[0]["objects"]["category_name"] == ["two"]


def test_masks_are_paired_by_name(tmp_path: Path) -> None:
    found = tables("mask_folder", write_masks(tmp_path))
    assert {split: len(table) for split, table in found.items()} == {"train": 2, "validation": 1}
    for row in found["train"].to_pylist():
        assert Path(row["mask"]["path"]).stem == Path(row["image"]["path"]).stem
        assert "masks" in row["mask"]["path"]
    picture(tmp_path / "train/images/alone.png")
    told = Heard()
    module = registry.load("sources", "mask_folder")
    module.open_tables(module.Settings(path=str(tmp_path)), tmp_path, told)
    assert len(told.lines) == 1
    assert "1 pictures without a mask left out, such as" in told.lines[0]


def test_masks_with_a_suffix_and_other_folders(tmp_path: Path) -> None:
    picture(tmp_path / "photos/a.png")
    picture(tmp_path / "labels/a_mask.png")
    found = tables("mask_folder", tmp_path, images="photos", masks="labels", suffix="_mask")
    assert [len(table) for table in found.values()] == [1]
    with pytest.raises(DataError, match="no pair: 0 pictures below a folder images"):
        tables("mask_folder", tmp_path)
