"""What every field of the room does, for every kind of column it accepts: found by itself, no list to keep."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile
from PIL import Image

from dlw import registry
from dlw.errors import DataError
from dlw.fields._base import Beside, Field
from dlw.ragged import FILL, LEAST_STEPS, lengths
from dlw.specs import FieldSpec

START = datetime(2024, 2, 28, 22, 30)


def picture(shade: int) -> dict[str, Any]:
    """Return a small grey PNG as a value of a picture column."""
    file = io.BytesIO()
    Image.fromarray(np.full((5, 4), shade, np.uint8)).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": f"{shade}.png"}


def mask(ids: list[list[int]]) -> dict[str, Any]:
    """Return a mask of the size of `picture` as a value of a mask column."""
    file = io.BytesIO()
    Image.fromarray(np.array(ids, np.uint8)).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": "mask.png"}


def recording(samples: int) -> dict[str, Any]:
    """Return a short WAV file as a value of a column of recordings."""
    file = io.BytesIO()
    wave = (9000 * np.sin(np.arange(samples) / 3)).astype(np.int16)
    soundfile.write(file, wave, 8000, format="WAV", subtype="PCM_16")
    return {"bytes": file.getvalue(), "path": f"{samples}.wav"}


COLUMNS: dict[str, pa.Array] = {
    "recordings": pa.array([recording(samples) for samples in (300, 20, 1, 400, 50, 60)]),
    "floats": pa.array([1.5, None, -2.0, 7.25, 1.5, 3.0]),
    "integers": pa.array([3, 1, None, 2, 3, 1]),
    "flags": pa.array([True, False, None, True, False, True]),
    "zeros and ones": pa.array([1, 0, None, 1, 0, 1]),
    "words": pa.array(["b", "a", None, "", "b", "a"]),
    "numbers as text": pa.array(["1", " 2.5", None, "1e3", "-4", "1"]),
    "classes": pa.DictionaryArray.from_arrays(pa.array([1, 0, 1, 0, 1, 0]), pa.array(["z", "a"]), ordered=True),
    "dictionary": pa.array(["b", "a", None, "b", "a", "b"]).dictionary_encode(),
    "times": pa.array([START + timedelta(hours=30 * step) if step != 2 else None for step in range(6)]),
    "dates as text": pa.array(["2024-01-01", "2024-02-29T12:30:00", None, "2023-07-04", "2024-01-02", "2022-12-31"]),
    "lists": pa.array([["a", "b"], [], None, ["b"], ["a"], ["a", "c"]]),
    "pictures": pa.array([picture(shade) for shade in (0, 60, 120, 180, 240, 255)]),
    "masks": pa.array([mask([[0, 1, 1, row % 3]] * 4 + [[255] * 4]) for row in range(6)]),
    "records of boxes": pa.array(
        [{"bbox": [[0.0, 0.0, 1.0 + row % 3, 2.0]] * row, "category": [row % 2 + 3] * row} for row in range(6)]
    ),
    "lists of boxes": pa.array([[{"bbox": [1, 1, 2, 3], "category_name": "ab"[row % 2]}] * row for row in range(6)]),
    "molecules": pa.array(["CCO", "c1ccccc1Cl", "C[N+](C)(C)C", "CC#N", "OC(=O)c1cccs1", "CCO"]),
    "series": pa.array([[1.0, 2.0], [3.0, None, 5.0], [4.0], [0.5, 1.5], [2.0], [7.0, 8.0]]),
    "series of records": pa.array([[{"a": 1.0 * row, "b": None if row == 2 else 2.0}] * 3 for row in range(6)]),
    "series of lists": pa.array([[[1.0 * row, 2.0]] * (1 + row) for row in range(6)]),
    "picture bytes": pa.array([picture(shade)["bytes"] for shade in (0, 60, 120, 180, 240, 255)]),
}
ROLES = ("input", "target")


def column(name: str) -> pa.ChunkedArray:
    """Return a column in two chunks."""
    return pa.chunked_array([COLUMNS[name].slice(0, 2), COLUMNS[name].slice(2)])


def accepted() -> list[tuple[str, str, str]]:
    """Return every (field, role, column) that can be fitted."""
    found = []
    for field in registry.names("fields"):
        for role in ROLES:
            for name in COLUMNS:
                try:
                    fit(field, role, name)
                except DataError:
                    continue
                found.append((field, role, name))
    return found


def bound(field: str, role: str) -> Field:
    """Return a field with its default settings."""
    module = registry.load("fields", field)
    made: Field = module.build(module.Settings(), "column", role)
    return made


def beside(field: str, rows: pa.Array | None = None) -> tuple[Beside, ...]:
    """Return the input (of some rows) that a field follows, nothing for one that stands alone."""
    kind = getattr(registry.load("fields", field), "FOLLOWS", None)
    if kind is None:
        return ()
    type, name = {"image": ("image", "pictures"), "tokens": ("identities", "lists")}[kind]
    module = registry.load("fields", type)
    settings = module.Settings()
    state = module.build(settings, name, "input").fit(column(name))
    values = column(name) if rows is None else column(name).take(rows)
    return (Beside(values, state, settings.model_dump(mode="json")),)


def fit(field: str, role: str, name: str) -> dict[str, Any]:
    """Return what a field learns of a column."""
    state = bound(field, role).fit(column(name), *beside(field))
    state.pop("notes", None)
    return state


CASES = accepted()


@pytest.mark.parametrize("field", registry.names("fields"))
def test_every_field_accepts_something_and_names_its_kind(field: str) -> None:
    role = "target" if beside(field) else "input"
    assert [case for case in CASES if case[0] == field and case[1] == role], "no sample column fits this field"
    assert registry.load("fields", field).KIND in {"number", "category", "labels", "image", "mask", "boxes", *FILL}
    assert len(registry.summary("fields", field)) > 20


@pytest.mark.parametrize("field", registry.names("fields"))
def test_every_refusal_names_the_column(field: str) -> None:
    refusals = 0
    for role in ROLES:
        for name in COLUMNS:
            if (field, role, name) not in CASES:
                with pytest.raises(DataError, match="column"):
                    fit(field, role, name)
                refusals += 1
    assert refusals > 0


@pytest.mark.parametrize(("field", "role", "name"), CASES)
def test_array_is_what_the_spec_says(field: str, role: str, name: str) -> None:
    made = bound(field, role)
    state = fit(field, role, name)
    spec = made.spec(state)
    array, bad, notes = made.encode(column(name), state, *beside(field))
    assert array.dtype == np.dtype(spec.dtype)
    if spec.is_ragged:
        assert array.shape == (6, max(LEAST_STEPS, lengths(array, spec.kind).max()), *spec.shape[1:])
        assert lengths(array, spec.kind).max() == spec.shape[0]
    else:
        assert array.shape == (6, *spec.shape)
    assert spec.kind == registry.load("fields", field).KIND
    assert notes == ()
    assert all(0 <= row < 6 and why for row, why in bad.items())
    if spec.kind in ("number", "labels"):
        assert len(spec.columns) == spec.shape[0]
    if spec.kind == "category":
        assert array.min() >= 0
        assert array.max() < spec.sizes[0]
    if spec.kind == "number":
        assert {len(values) for values in spec.statistics.values()} == {spec.shape[0]}


@pytest.mark.parametrize(("field", "role", "name"), CASES)
def test_state_and_spec_survive_json(field: str, role: str, name: str) -> None:
    made = bound(field, role)
    state = fit(field, role, name)
    again = json.loads(json.dumps(state))
    assert again == state
    np.testing.assert_array_equal(
        made.encode(column(name), again, *beside(field)).array, made.encode(column(name), state, *beside(field)).array
    )
    spec = made.spec(state)
    assert FieldSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@pytest.mark.withstands("properties", case="P5")
@pytest.mark.parametrize(("field", "role", "name"), CASES)
def test_encoding_is_a_pure_function_of_each_row(field: str, role: str, name: str) -> None:
    made = bound(field, role)
    state = fit(field, role, name)
    before = json.dumps(state)
    whole = made.encode(column(name), state, *beside(field)).array

    def encoded(rows: list[int]) -> np.ndarray:
        chosen = pa.array(rows, pa.int64())
        return made.encode(column(name).take(chosen), state, *beside(field, chosen)).array

    spec, steps = made.spec(state), made.spec(state).is_ragged
    for row in range(6):
        alone = encoded([row])[0]
        same = whole[row, : len(alone)] if steps else whole[row]
        np.testing.assert_array_equal(alone, same)
        assert not steps or lengths(alone[None], spec.kind) == lengths(whole[row : row + 1], spec.kind)
    np.testing.assert_array_equal(encoded([5, 4, 3, 2, 1, 0])[::-1], whole)
    assert encoded([]).shape[2 if steps else 1 :] == whole.shape[2 if steps else 1 :]
    assert len(encoded([])) == 0
    assert json.dumps(state) == before


@pytest.mark.parametrize(("field", "role", "name"), CASES)
def test_decoded_values_encode_to_the_same_array(field: str, role: str, name: str) -> None:
    made = bound(field, role)
    state = fit(field, role, name)
    array = made.encode(column(name), state, *beside(field)).array
    decoded = made.decode(array, state)
    assert len(decoded) == 6
    again = made.encode(pa.chunked_array([pa.array(decoded)]), state, *beside(field)).array
    # Days since the first row are float32: after a year they tell times of day apart by about three seconds.
    np.testing.assert_allclose(again, array, rtol=1e-5, atol=5e-4 if field == "timestamp" else 0)


@pytest.mark.parametrize("field", registry.names("fields"))
def test_unknown_settings_are_refused(field: str) -> None:
    with pytest.raises(ValueError, match="Extra inputs"):
        registry.load("fields", field).Settings.model_validate({"hight": 3})
