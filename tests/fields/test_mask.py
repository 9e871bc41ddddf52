"""Masks: the class of each pixel, fitted as the picture beside it is; what cannot be a class is told with its file."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pydantic import ValidationError

from dlw.errors import DataError
from dlw.fields import image, mask
from dlw.fields._base import Beside

VOID = 255


def png(pixels: Any, mode: str | None = None) -> bytes:
    file = io.BytesIO()
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels, np.uint8), mode)
    picture.save(file, "PNG")
    return file.getvalue()


def column(files: list[bytes | None]) -> pa.ChunkedArray:
    rows = [None if file is None else {"bytes": file, "path": f"{row}.png"} for row, file in enumerate(files)]
    return pa.chunked_array([pa.array(rows, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))])


def beside(sizes: list[tuple[int, int]], **options: Any) -> Beside:
    """Return grey pictures of these heights and widths as a field of pictures sees them."""
    settings = image.Settings(**options)
    pictures = column([png(np.zeros(size)) for size in sizes])
    state = image.build(settings, "image", "input").fit(pictures)
    return Beside(pictures, state, settings.model_dump(mode="json"))


def encode(ids: Any, lies_on: Beside | None = None, **options: Any) -> tuple[np.ndarray, dict[int, str]]:
    """Fit a mask on itself and encode it."""
    array = np.asarray(ids, np.uint8)
    field = mask.build(mask.Settings(**options), "mask", "target")
    files = column([png(array)])
    lies_on = lies_on or beside([array.shape])
    encoded = field.encode(files, field.fit(files, lies_on), lies_on)
    return encoded.array[0], encoded.bad


def test_void_and_greys() -> None:
    ids = [[0, 128, 255], [7, 0, 255]]
    assert encode(ids, greys=[0, 255, 128], void=7)[0].tolist() == [[0, 2, 1], [VOID, 0, 1]]
    assert encode([[0, 1, 11]], void=11, classes=["a", "b"])[0].tolist() == [[0, 1, VOID]]
    assert encode([[0, 1, 255]])[0].tolist() == [[0, 1, VOID]]


def test_classes_and_their_pixels() -> None:
    field = mask.build(mask.Settings(), "mask", "target")
    lies_on = beside([(2, 3), (2, 3)])
    state = field.fit(column([png([[0, 0, 2], [2, 2, 255]]), png([[0] * 3] * 2)]), lies_on)
    assert state["labels"] == ["0", "1", "2"]
    assert state["counts"] == [8, 0, 3]
    assert state["notes"] == ["target mask: no training pixel of class '1'"]
    spec = field.spec(state)
    assert (spec.kind, spec.shape, spec.sizes, spec.statistics) == ("mask", (2, 3), (3,), {"counts": [[8, 0, 3]]})


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("size", [(8, 12), (30, 10), (17, 40)])
def test_a_mask_lies_where_its_picture_does(resize: str, size: tuple[int, int]) -> None:
    """A picture that is bright where its mask says 1, both brought to another size, stay in step."""
    ids = np.zeros(size, np.uint8)
    ids[size[0] // 4 : size[0] // 2, size[1] // 3 :] = 1
    settings = image.Settings(height=16, width=24, resize=resize)
    pictures = column([png(ids * 255)])
    field = image.build(settings, "image", "input")
    state = field.fit(pictures)
    pixels = field.encode(pictures, state).array[0, 0]
    fitted, _ = encode(ids, Beside(pictures, state, settings.model_dump(mode="json")))
    assert fitted.shape == (16, 24)
    is_known = fitted != VOID
    assert is_known.all() == (resize != "pad" or size == (8, 12))
    assert (pixels[~is_known] == 0).all()
    is_sure = is_known & ((pixels < 60) | (pixels > 195))
    assert is_sure.mean() > 0.1
    assert ((pixels > 128) == (fitted == 1))[is_sure].all()


def test_files_that_hold_one_value_a_pixel_are_masks() -> None:
    """Palettes count by index, black and white is 0 and 1, grey stored as colour is grey."""
    ids = np.array([[0, 1], [1, 2]], np.uint8)
    palette = Image.fromarray(ids, "P")
    palette.putpalette([0, 0, 0, 200, 10, 10, 10, 200, 10])
    field = mask.build(mask.Settings(classes=["a", "b", "c"]), "mask", "target")
    files = [palette, Image.fromarray(ids).convert("RGB"), Image.fromarray(ids).convert("LA"), Image.fromarray(ids > 0)]
    files.append(Image.fromarray(ids.astype(np.uint16)))
    lies_on = beside([(2, 2)] * len(files))
    column_of = column([png(file) for file in files])
    encoded = field.encode(column_of, field.fit(column_of, lies_on), lies_on)
    assert encoded.bad == {}
    expected = [ids, ids, ids, np.minimum(ids, 1), ids]
    np.testing.assert_array_equal(encoded.array, expected)


@pytest.mark.withstands("bad inputs", case="D20")
@pytest.mark.parametrize(
    ("file", "options", "reason"),
    [
        (
            png([[0, 9, 4]]),
            {"classes": ["a", "b", "c"]},
            r"1\.png: holds the class id 4, 9, allowed are 0 to 2 and",
        ),
        (png([[0, 3, 1]]), {"greys": [0, 1]}, r"1\.png: holds the class id 3, allowed are 0, 1 and 255 for not known"),
        (png([[0, 255, 1]]), {"void": 11}, r"1\.png: holds the class id 255, allowed are 0 to 1 and 11 for not known"),
        (png([[0, 1]]), {}, r"1\.png: is 2 x 1, its picture 1\.png is 3 x 1"),
        (png([[[1, 2, 3]] * 3], "RGB"), {}, r"1\.png: mode RGB holds colours"),
        (
            png(Image.fromarray(np.array([[0, 1, 300]], np.uint16))),
            {},
            r"holds 300; class ids are 0 to 255",
        ),
        (b"GIF89a", {}, r"1\.png: not a picture"),
        (None, {}, "the file is empty"),
    ],
)
def test_what_is_no_mask_is_told_with_its_file(file: bytes | None, options: dict[str, Any], reason: str) -> None:
    field = mask.build(mask.Settings(**options), "mask", "target")
    good, lies_on = png([[0, 1, 1]]), beside([(1, 3), (1, 3)])
    state = field.fit(column([good, good]), lies_on)
    encoded = field.encode(column([good, file]), state, lies_on)
    assert list(encoded.bad) == [1]
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(encoded.bad[1])
    assert encoded.array[0].tolist() == [[0, 1, 1]]


@pytest.mark.parametrize(
    ("ids", "reason"), [([[1, 1]], "two classes need training pixels"), ([[255, 255]], "every pixel is void")]
)
def test_one_class_is_nothing_to_learn(ids: list[list[int]], reason: str) -> None:
    with pytest.raises(DataError, match=f"target column mask: .*{reason}"):
        encode(ids)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"classes": ["a", "a"]}, "names a class twice"),
        ({"greys": [1, 1]}, "names a value twice"),
        ({"greys": [0, 1], "classes": ["a", "b", "c"]}, "greys names 2 classes and classes 3"),
        ({"greys": [0, 7], "void": [7]}, "7 is in greys and in void"),
    ],
)
def test_settings_that_contradict_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        mask.Settings(**options)
