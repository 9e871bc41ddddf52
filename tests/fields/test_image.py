"""Pictures: every common format lands in one layout, every broken one is named and none is decoded too far."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from dlw.errors import DataError
from dlw.fields import image
from dlw.fields._png import decode_plain
from tests.picture_files import bomb, chunk, stored

RAMP = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
COLOUR = np.stack([RAMP, RAMP[::-1], 255 - RAMP], axis=2)


def column(*files: bytes | None) -> pa.ChunkedArray:
    values = [None if data is None else {"bytes": data, "path": f"picture-{row}.png"} for row, data in enumerate(files)]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    return pa.chunked_array([pa.array(values, kind)])


def field(**settings: Any) -> image.Image:
    return image.build(image.Settings.model_validate(settings), "photo", "input")


def test_size_channels_and_moments_come_from_training() -> None:
    grey, other = Image.fromarray(RAMP), Image.new("L", (3, 3))
    state = field().fit(column(stored(grey), stored(grey), stored(other)))
    assert (state["height"], state["width"], state["channels"]) == (6, 8, 1)
    spec = field().spec(state)
    assert spec.shape == (1, 6, 8)
    pixels = field().encode(column(stored(grey), stored(grey), stored(other)), state).array
    assert spec.statistics["mean"] == [pytest.approx(pixels.mean())]
    assert spec.statistics["std"] == [pytest.approx(pixels.std())]
    assert field().fit(column(stored(Image.fromarray(COLOUR)), stored(grey)))["channels"] == 3


@pytest.mark.withstands("bad inputs", case="D17")
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (stored(Image.fromarray(RAMP)), RAMP),
        (stored(Image.fromarray(COLOUR)), np.asarray(Image.fromarray(COLOUR).convert("L"))),
        (stored(Image.fromarray(RAMP).convert("P")), RAMP),
        (stored(Image.fromarray(RAMP.astype(np.uint16) * 256)), RAMP),
        (stored(Image.fromarray(RAMP.astype(np.uint16) * 256), "TIFF"), RAMP),
        (stored(Image.fromarray(RAMP > 100)), np.where(RAMP > 100, 255, 0)),
        (stored(Image.fromarray(RAMP), "BMP"), RAMP),
        (stored(Image.fromarray(RAMP), "PPM"), RAMP),
        (stored(Image.fromarray(RAMP), "GIF"), RAMP),
        (stored(Image.fromarray(RAMP), "WEBP", lossless=True), RAMP),
        (stored(Image.merge("LA", [Image.fromarray(RAMP), Image.new("L", (8, 6), 0)])), np.full((6, 8), 255)),
    ],
)
def test_every_mode_becomes_grey(data: bytes, expected: np.ndarray) -> None:
    made = field(height=6, width=8, channels=1)
    state = made.fit(column(stored(Image.fromarray(RAMP))))
    array, bad, _ = made.encode(column(data), state)
    assert bad == {}
    np.testing.assert_array_equal(array[0, 0], expected)


@pytest.mark.withstands("bad inputs", case="D17")
def test_cmyk_and_one_pixel_pictures_load_in_colour() -> None:
    made = field(height=6, width=8, channels=3)
    state = made.fit(column(stored(Image.fromarray(COLOUR))))
    cmyk = stored(Image.new("CMYK", (8, 6), (255, 0, 0, 0)), "JPEG")
    array, bad, _ = made.encode(column(cmyk, stored(Image.new("RGB", (1, 1), (9, 8, 7)))), state)
    assert bad == {}
    assert array[0, 0].max() < 60
    assert array[1, :, 0, 0].tolist() == [9, 8, 7]


@pytest.mark.withstands("bad inputs", case="D17")
def test_pictures_are_turned_upright() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    data = stored(Image.fromarray(RAMP), "PNG", exif=turned)
    state = field().fit(column(data))
    assert (state["height"], state["width"]) == (8, 6)
    np.testing.assert_array_equal(field().encode(column(data), state).array[0, 0], np.rot90(RAMP, -1))


@pytest.mark.parametrize(("resize", "borders"), [("stretch", 0), ("crop", 0), ("pad", 3)])
def test_other_sizes_are_fitted(resize: str, borders: int) -> None:
    made = field(height=6, width=6, channels=1, resize=resize)
    white = stored(Image.new("L", (12, 6), 255))
    state = made.fit(column(white, stored(Image.fromarray(RAMP))))
    array = made.encode(column(white), state).array[0, 0]
    assert array.shape == (6, 6)
    assert (array[:, 3] == 0).sum() == borders


@pytest.mark.withstands("bad inputs", case="D17")
def test_broken_pictures_are_listed_by_name_and_the_others_load() -> None:
    good = stored(Image.fromarray(RAMP))
    state = field().fit(column(good))
    files = [good, b"", good[: len(good) // 2], b"<html>not found</html>", None, good]
    array, bad, _ = field().encode(column(*files), state)
    assert sorted(bad) == [1, 2, 3, 4]
    assert "picture-1.png: the file is empty" in bad[1]
    assert "picture-2.png" in bad[2]
    assert "picture-3.png: not a picture" in bad[3]
    np.testing.assert_array_equal(array[5, 0], RAMP)
    assert not array[1:5].any()


@pytest.mark.withstands("bad inputs", case="D18")
def test_a_bomb_is_refused_by_its_header() -> None:
    state = field().fit(column(stored(Image.fromarray(RAMP))))
    bad = field().encode(column(bomb(13_000)), state).bad
    assert "169,000,000 pixels, the limit is 50,000,000 (max_pixels)" in bad[0]
    assert "12 x 12 = 144 pixels, the limit is 100" in field(max_pixels=100).encode(column(bomb(12)), state).bad[0]


def test_nothing_readable_in_training_is_an_error() -> None:
    with pytest.raises(DataError, match="column photo: none of 2 pictures can be opened"):
        field().fit(column(b"", b"no"))


def test_files_are_read_where_they_lie(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(stored(Image.fromarray(RAMP)))
    paths = pa.chunked_array([pa.array([str(tmp_path / "a.png"), str(tmp_path / "none.png"), str(tmp_path)])])
    state = field().fit(paths)
    array, bad, _ = field().encode(paths, state)
    np.testing.assert_array_equal(array[0, 0], RAMP)
    assert "No such file" in bad[1]
    assert "not a regular file" in bad[2]


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_the_fast_reader_equals_pillow_for_every_row_filter(channels: int, mode: str) -> None:
    random = np.random.default_rng(0)
    shapes = [(random.integers(0, 256, (7, 5, channels))).astype(np.uint8) for _ in range(20)]
    shapes += [np.cumsum(shape // 32, axis=axis, dtype=np.uint8) for shape in shapes for axis in (0, 1)]
    files = [filtered(pixels, random) for pixels in shapes]
    places, pixels = decode_plain([*files, b"junk", None], (channels, 7, 5))
    assert places.tolist() == list(range(len(files)))
    for file, decoded in zip(files, pixels, strict=True):
        opened = Image.open(io.BytesIO(file))
        assert opened.mode == mode
        expected = np.asarray(opened).reshape(7, 5, channels).transpose(2, 0, 1)
        np.testing.assert_array_equal(decoded, expected)


def test_the_fast_reader_leaves_broken_and_special_files_alone() -> None:
    whole = filtered(RAMP[:, :, None], np.random.default_rng(0))
    files = [
        whole[:60],
        whole[:-12],
        whole.replace(b"IDAT", b"tRNS"),
        stored(Image.fromarray(RAMP).convert("P")),
        whole,
    ]
    flipped = bytearray(whole)
    flipped[60] ^= 255
    places, _ = decode_plain([*files, bytes(flipped)], (1, 6, 8))
    assert places.tolist() == [4]


def filtered(pixels_HWC: np.ndarray, random: np.random.Generator) -> bytes:
    """Return a PNG whose rows use all five filters of the specification (section 9.2), written by its definitions."""
    height, width, channels = pixels_HWC.shape
    rows = pixels_HWC.reshape(height, width * channels).astype(int)
    data = b""
    for y in range(height):
        kind = int(random.integers(0, 5))
        above = rows[y - 1] if y else np.zeros_like(rows[0])
        left = np.concatenate([np.zeros(channels, int), rows[y][:-channels]])
        corner = np.concatenate([np.zeros(channels, int), above[:-channels]])
        guess = [np.zeros_like(above), left, above, (left + above) // 2, paeth(left, above, corner)][kind]
        data += bytes([kind]) + ((rows[y] - guess) % 256).astype(np.uint8).tobytes()

    colour = {1: 0, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    packed = zlib.compress(data)
    parts = chunk(b"IDAT", packed[:20]) + chunk(b"IDAT", packed[20:])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + parts + chunk(b"IEND", b"")


def paeth(left: np.ndarray, above: np.ndarray, corner: np.ndarray) -> np.ndarray:
    guess = left + above - corner
    distances = np.stack([abs(guess - left), abs(guess - above), abs(guess - corner)])
    return np.choose(np.argmin(distances, axis=0), [left, above, corner])


def test_exposures_are_evened_out() -> None:
    """Twice the light, the same picture: mean 128, deviation 48; what `pad` adds stays black and counts for nothing."""
    wide = np.random.default_rng(0).integers(40, 60, (8, 16)).astype(np.uint8)
    settings = field(standardise=True, resize="pad", height=16, width=16)
    files = column(stored(Image.fromarray(wide)), stored(Image.fromarray(2 * wide)))
    pixels = settings.encode(files, settings.fit(files)).array[:, 0]
    assert (pixels[:, [0, 1, 2, 3, 12, 13, 14, 15]] == 0).all()
    inside = pixels[:, 4:12].astype(float)
    assert inside.mean((1, 2)) == pytest.approx([128, 128], abs=1)
    assert inside.std((1, 2)) == pytest.approx([48, 48], abs=1)
    assert np.abs(inside[0] - inside[1]).max() <= 1


def test_a_picture_of_one_grey_is_standardised_to_the_middle() -> None:
    files = column(stored(Image.new("L", (4, 4), 77)), stored(Image.new("L", (4, 4), 0)))
    settings = field(standardise=True)
    assert settings.encode(files, settings.fit(files)).array.max((1, 2, 3)).tolist() == [128, 0]


def test_opacity_is_not_standardised() -> None:
    picture = np.dstack([COLOUR, np.full((6, 8), 200, np.uint8)])
    files = column(stored(Image.fromarray(picture, "RGBA")))
    pixels = field(standardise=True, channels=4)
    assert (pixels.encode(files, pixels.fit(files)).array[:, 3] == 200).all()
