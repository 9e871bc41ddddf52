"""Boxes: three ways to write them, moved with their picture; what lies outside is told with its file."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from dlw.errors import DataError
from dlw.fields import boxes, image
from dlw.fields._base import Beside

WIDTH, HEIGHT = 40, 20


def beside(rows: int, pixels: np.ndarray | None = None, **options: Any) -> Beside:
    file = io.BytesIO()
    Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8) if pixels is None else pixels).save(file, "PNG")
    pictures = [{"bytes": file.getvalue(), "path": f"{row}.png"} for row in range(rows)]
    values = pa.chunked_array([pa.array(pictures)])
    settings = image.Settings(**options)
    state = image.build(settings, "image", "input").fit(values)
    return Beside(values, state, settings.model_dump(mode="json"))


def encode(
    values: list[Any], lies_on: Beside | None = None, **options: Any
) -> tuple[np.ndarray, dict[int, str], dict[str, Any]]:
    """Fit a column on itself and encode it; return the array, what is bad, and what was learned."""
    column = pa.chunked_array([pa.array(values)])
    field = boxes.build(boxes.Settings(**options), "objects", "target")
    lies_on = lies_on or beside(len(values))
    state = field.fit(column, lies_on)
    encoded = field.encode(column, state, lies_on)
    return encoded.array, encoded.bad, state


@pytest.mark.parametrize(
    ("format", "box"),
    [("coco", [4, 2, 10, 6]), ("xyxy", [4, 2, 14, 8]), ("relative", [9 / 40, 5 / 20, 10 / 40, 6 / 20])],
)
def test_the_three_formats_mean_the_same(format: str, box: list[float]) -> None:
    array, bad, state = encode([{"bbox": [list(map(float, box))], "category": [3]}], format=format)
    assert bad == {}
    assert array.dtype == np.float32
    np.testing.assert_allclose(array[0, 0], [0, 4, 2, 14, 8], atol=1e-5)
    assert (array[0, 1:, 0] == -1).all()
    field = boxes.build(boxes.Settings(format=format), "objects", "target")
    np.testing.assert_allclose(field.decode(array, state)[0]["bbox"][0], box, atol=1e-5)


def test_classes_by_number_and_by_name() -> None:
    box = [0.0, 0.0, 5.0, 5.0]
    both = {"bbox": [box, box], "category": [7, 2], "category_name": ["dog", "cat"]}
    array, _, state = encode([both])
    assert (state["labels"], state["ids"]) == (["cat", "dog"], [2, 7])
    assert array[0, :2, 0].tolist() == [1, 0]
    assert encode([{"bbox": [box], "category": ["dog"]}, {"bbox": [box], "category": ["ant"]}])[2]["labels"] == [
        "ant",
        "dog",
    ]
    assert encode([[{"bbox": box}]])[2]["labels"] == ["object"]
    named = encode([{"bbox": [box], "category": [1]}], classes=["x", "y", "z"])
    assert named[0][0, 0, 0] == 1
    assert named[2]["notes"] == [
        "target objects: no training box of class 'x'",
        "target objects: no training box of class 'z'",
    ]


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("size", [(20, 40), (33, 17), (64, 64)])
def test_a_box_lies_where_its_thing_does(resize: str, size: tuple[int, int]) -> None:
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    pixels[6:14, 15:27] = 255
    lies_on = beside(1, pixels, height=size[0], width=size[1], resize=resize)
    array, _, _ = encode([{"bbox": [[15.0, 6.0, 12.0, 8.0]]}], lies_on)
    settings = image.Settings.model_validate(lies_on.settings)
    seen = image.build(settings, "image", "input").encode(lies_on.values, lies_on.state).array[0, 0] > 128
    ys, xs = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    np.testing.assert_allclose(array[0, 0, 1:], [xs[0], ys[0], xs[-1] + 1, ys[-1] + 1], atol=1.01)


def test_a_box_whose_middle_is_cut_off_goes() -> None:
    cut = beside(1, height=20, width=20, resize="crop")
    array, bad, _ = encode([{"bbox": [[0.0, 0.0, 8.0, 8.0], [14.0, 2.0, 12.0, 8.0], [4.0, 2.0, 14.0, 8.0]]}], cut)
    assert bad == {}
    assert array[0, :3, 0].tolist() == [0, 0, -1]
    assert array[0, :2, 1:].tolist() == [[4, 2, 16, 10], [0, 2, 8, 10]]


@pytest.mark.withstands("bad inputs", case="D20")
@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ([4, 2, 0, 6], r"1\.png: box \[4, 2, 0, 6\] has no width or no height, allowed is 0 to 40 x 0 to 20 pixels"),
        ([4, 2, 5, -6], "has no width or no height"),
        ([50, 2, 5, 6], r"box \[50, 2, 5, 6\] lies outside, allowed is 0 to 40 x 0 to 20"),
        ([-9, 2, 5, 6], "lies outside"),
        ([30, 2, 15, 6], "reaches over the edge, .*; correct it, or set `outside: clip`"),
    ],
)
def test_a_box_outside_its_picture_is_told_with_its_file(box: list[float], reason: str) -> None:
    good = {"bbox": [[1.0, 1.0, 5.0, 5.0]]}
    _, bad, _ = encode([good, {"bbox": [list(map(float, box))]}])
    assert list(bad) == [1]
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(bad[1])


def test_what_reaches_over_is_cut_where_asked_and_rounding_is_forgiven() -> None:
    over = {"bbox": [[30.0, -5.0, 15.0, 16.0], [35.0, 15.0, 6.0, 6.0]]}
    array, bad, _ = encode([over], outside="clip")
    assert bad == {}
    assert array[0, :2, 1:].tolist() == [[30, 0, 40, 11], [35, 15, 40, 20]]
    assert encode([{"bbox": [[35.0, 15.0, 6.0, 6.0]]}])[1] == {}


@pytest.mark.withstands("bad inputs", case="D20")
def test_unknown_classes_and_too_many_boxes_are_told() -> None:
    box = [0.0, 0.0, 5.0, 5.0]
    field = boxes.build(boxes.Settings(max_boxes=2), "objects", "target")
    rows = [{"bbox": [box], "category": [1], "category_name": ["cat"]}]
    state = field.fit(pa.chunked_array([pa.array(rows)]), beside(1))
    asked = [
        {"bbox": [box], "category": [9], "category_name": [None]},
        {"bbox": [box], "category": [1], "category_name": ["cart"]},
        {"bbox": [box] * 3, "category": [1] * 3, "category_name": ["cat"] * 3},
        {"bbox": [box], "category": [None], "category_name": [None]},
    ]
    bad = field.encode(pa.chunked_array([pa.array(asked)]), state, beside(4)).bad
    assert bad[0].endswith("category 9, allowed are 1")
    assert "category_name 'cart'" in bad[1]
    assert "holds 3 boxes, the limit is 2 (max_boxes)" in bad[2]
    assert 3 not in bad


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"bbox": [[1.0, 2.0, 3.0]]}, "four numbers are needed"),
        ({"bbox": [[1.0, 2.0, 3.0, float("nan")]]}, "four numbers are needed"),
        ({"bbox": [[1.0, 2.0, 3.0, 4.0]], "category": [1, 2]}, "has 1 boxes and 2 categories"),
        ({"box": [[1.0, 2.0, 3.0, 4.0]]}, "has no 'bbox'"),
        ({"bbox": [[]]}, "four numbers are needed"),
    ],
)
def test_records_that_are_no_boxes_are_told_with_their_row(value: dict[str, Any], reason: str) -> None:
    with pytest.raises(DataError, match=f"column objects: row 0: .*{reason}"):
        encode([value])


def test_a_column_without_boxes_is_nothing_to_learn() -> None:
    with pytest.raises(DataError, match="no box in 2 training rows"):
        encode([{"bbox": [], "category": []}, None])
