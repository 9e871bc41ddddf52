"""Fitted fields: packed as the specs say, pure, stored as JSON, and clear about columns that do not fit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dlw.errors import DataError
from dlw.progress import Silent
from dlw.recipe.check import load_text
from dlw.recipe.schema import Block, Recipe
from dlw.verbs._fit import fit
from dlw.verbs._fitted import Fitted
from tests.heard import Heard

TRAIN = pa.table(
    {
        "age": [30, 40, None, 50, 20, 60],
        "city": ["u", "v", "u", None, "v", "w"],
        "wage": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        "flat": [1, 1, 1, 1, 1, 1],
        "kind": ["a", "b", "a", "b", "a", "b"],
        "p": [1, 0, None, 1, 0, 1],
        "q": [0, 1, 1, None, 0, 0],
    }
)
INPUTS = {"age": "number", "city": "category", "wage": "number", "flat": "number"}


def fitted(target: dict[str, str] | None = None, inputs: dict[str, Any] | None = None, listener: Any = None) -> Fitted:
    data = {"source": "x", "inputs": inputs or INPUTS, "target": target or {"kind": "category"}}
    made = Recipe.model_validate({"name": "x", "task": "classification", "model": "mlp", "data": data})
    return fit(made, TRAIN, listener or Silent())


def test_columns_of_a_kind_are_packed_in_order_and_useless_ones_told() -> None:
    heard = Heard()
    made = fitted(listener=heard)
    assert heard.warnings == ["column flat is left out: it is 1 in every row of the training split"]
    assert made.inputs["number"].columns == ("age", "wage")
    assert made.inputs["category"].sizes == (4,)
    encoded = made.encode(TRAIN, with_target=True, listener=heard)
    assert {group: array.shape for group, array in encoded.arrays.items()} == {
        "number": (6, 2),
        "category": (6, 1),
        "target": (6,),
    }
    assert encoded.arrays["target"].dtype == np.int64
    assert encoded.rows.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("target", "kind", "shape", "dtype"),
    [
        ({"kind": "category"}, "category", (), "int64"),
        ({"wage": "number"}, "number", (1,), "float32"),
        ({"wage": "number", "p": "category"}, None, (), ""),
        ({"kind": "category", "p": "category"}, None, (), ""),
        ({"p": "labels", "q": "labels"}, "labels", (2,), "int8"),
    ],
)
def test_targets_are_packed_by_kind_or_refused(
    target: dict[str, str], kind: str | None, shape: tuple[int, ...], dtype: str
) -> None:
    if kind is None:
        with pytest.raises(DataError, match="do not go together"):
            fitted(target, {"age": "number"})
        return
    made = fitted(target, {"age": "number"})
    array = made.encode(TRAIN, with_target=True, listener=Silent()).arrays["target"]
    assert (made.target.kind, made.target.shape, made.target.dtype) == (kind, shape, dtype)
    assert array.shape == (6, *shape)
    assert array.dtype == dtype


def test_json_restores_an_equal_value() -> None:
    made = fitted({"p": "labels", "q": "labels"})
    again = Fitted.from_json(json.loads(json.dumps(made.to_json())))
    assert again.inputs == made.inputs
    assert again.target == made.target
    assert again.to_json() == made.to_json()
    with pytest.raises(DataError, match="version 99 where this dlw reads"):
        Fitted.from_json({**made.to_json(), "version": 99})


def test_chunks_encode_to_the_same_arrays_as_the_whole() -> None:
    made = fitted()
    whole = made.encode(TRAIN, with_target=True, listener=Silent()).arrays
    for size in (1, 4):
        parts = [
            made.encode(TRAIN.slice(start, size), with_target=True, listener=Silent()).arrays
            for start in range(0, 6, size)
        ]
        for group, array in whole.items():
            np.testing.assert_array_equal(np.concatenate([part[group] for part in parts]), array)


def test_bad_rows_are_left_out_and_told_and_too_many_are_an_error() -> None:
    made = fitted()
    table = pa.concat_tables([TRAIN] * 20).slice(0, 110)
    table = table.set_column(4, "kind", pa.array(["a"] * 109 + ["z"]))
    heard = Heard()
    encoded = made.encode(table, with_target=True, listener=heard)
    assert encoded.rows.tolist() == list(range(109))
    assert {len(array) for array in encoded.arrays.values()} == {109}
    assert encoded.bad == [(109, "kind", "kind is 'z', a class not in the training split")]
    assert heard.warnings == ["1 of 110 rows are left out: row 109: kind is 'z', a class not in the training split"]
    with pytest.raises(
        DataError, match=r"1 of 110 rows cannot be used \(0.909 %, `data.max_bad` allows 0.5 %\): row 109"
    ):
        made.encode(table, with_target=True, listener=Silent(), max_bad=0.005)
    silent = Heard()
    assert len(made.encode(table, with_target=True, listener=silent, max_bad=None).rows) == 109
    assert silent.warnings == []


@pytest.mark.withstands("bad inputs", case="D11")
def test_missing_columns_name_the_nearest_and_extra_ones_are_ignored_with_a_line() -> None:
    made = fitted()
    with pytest.raises(DataError, match=r"missing column: city; did you mean ctiy\?; the table has: age, ctiy"):
        made.encode(
            TRAIN.rename_columns(["age", "ctiy", *TRAIN.column_names[2:]]), with_target=False, listener=Silent()
        )
    heard = Heard()
    made.encode(TRAIN.append_column("new", TRAIN["age"]), with_target=False, listener=heard)
    assert heard.lines == ["columns that training did not have are ignored: new"]
    heard = Heard()
    made.encode(TRAIN.select(["age", "city", "wage"]), with_target=False, listener=heard)
    assert heard.lines == heard.warnings == []


def test_nothing_to_learn_from_is_an_error() -> None:
    with pytest.raises(DataError, match="no input column is left"):
        fitted(inputs={"flat": "number"})


def test_prediction_needs_neither_torch_nor_datasets_nor_scikit_learn() -> None:
    made = json.dumps(fitted().to_json())
    program = (
        "import io, json, sys\n"
        "from pyarrow import csv\n"
        "from dlw.verbs._fitted import Fitted\n"
        "from dlw.progress import Silent\n"
        f"fitted = Fitted.from_json(json.loads({made!r}))\n"
        "table = csv.read_csv(io.BytesIO(b'age,city,wage\\n1,u,2.5\\n,v,3\\n'))\n"
        "fitted.encode(table, with_target=False, listener=Silent())\n"
        "print([name for name in ('torch', 'datasets', 'sklearn', 'pandas', 'PIL') if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_a_target_builds_on_an_input_that_is_there() -> None:
    """Also where the recipe lists no inputs, so that only the data can tell."""
    block = {"type": "text", "tokenizer": "column:city"}
    data: dict[str, Any] = {"source": "x", "inputs": "auto", "target": {"kind": block}}
    tree = {"name": "x", "task": "sequence_to_sequence", "model": "encoder_decoder", "data": data}
    recipe = load_text(json.dumps(tree), Path()).recipe

    def fitted_on(name: str) -> Fitted:
        changed = recipe.data.model_copy(update={"inputs": {name: Block(type="text")}})
        return fit(recipe.model_copy(update={"data": changed}), TRAIN, Silent())

    assert fitted_on("city").target.statistics["same_as"] == ["city"]
    with pytest.raises(DataError, match="column kind builds on the input city; there is none"):
        fitted_on("age")
