"""Arrow and numpy: values, gaps and chunks survive both ways, and pandas stays out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dlw.columns import from_bytes, from_numbers, from_text, one_array, to_codes, to_numpy

DATA = Path(__file__).parents[2] / "recipes" / "data"


@pytest.mark.parametrize("values", [[1, None, 3], [], [None, None], list(range(20)), [None, *range(9)]])
@pytest.mark.parametrize("start", [0, 1, 9])
def test_slices_with_gaps_are_read_from_their_offset(values: list[int | None], start: int) -> None:
    array = pa.array(values, pa.int64())[start:]
    numbers, is_missing = to_numpy(array, np.int64)
    assert [None if gap else int(value) for value, gap in zip(numbers, is_missing, strict=True)] == array.to_pylist()


def test_numbers_and_text_become_arrow() -> None:
    gaps = np.array([False, True, False])
    assert from_numbers(np.array([1.5, 2.5, 3.5]), gaps).to_pylist() == [1.5, None, 3.5]
    assert from_numbers(np.arange(6, dtype=np.int32)[::2]).to_pylist() == [0, 2, 4]
    assert from_text(["ä", None, "", "b" * 9]).to_pylist() == ["ä", None, "", "b" * 9]
    assert from_text(["\ud800"]).to_pylist() == ["\\ud800"]
    assert from_bytes([b"\xff", None, b""]).to_pylist() == [b"\xff", None, b""]
    assert from_text([]).to_pylist() == []


def test_codes_join_chunks_and_count_nan_as_missing() -> None:
    codes, words = to_codes(pa.chunked_array([["b", None], ["a", "b"]]))
    assert (codes.tolist(), words) == ([0, -1, 1, 0], ["b", "a"])
    assert to_codes(pa.chunked_array([[1.0, float("nan"), None]]))[0].tolist() == [0, -1, -1]
    assert to_codes(pa.chunked_array([pa.nulls(2)]))[0].tolist() == [-1, -1]
    assert len(one_array(pa.chunked_array([], pa.int64()))) == 0


def test_loading_and_fitting_do_not_import_pandas() -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from dlw.progress import Silent\n"
        "from dlw.recipe.schema import Recipe\n"
        "from dlw.verbs._fit import fit\n"
        "from dlw.verbs._rows import load_tables, resolve_inputs\n"
        "for source, target in (('digits.parquet', 'label'), ('penguins.csv', 'species')):\n"
        "    data = {'source': source, 'target': {target: 'category'}, 'splits': {'type': 'stratified'}}\n"
        "    recipe = Recipe.model_validate(dict(name='x', task='classification', model='mlp', data=data))\n"
        f"    tables = load_tables(recipe, Path({str(DATA)!r}), Path('none'), Silent())\n"
        "    recipe = resolve_inputs(recipe, tables['train'], Silent())\n"
        "    fit(recipe, tables['train'], Silent()).encode(tables['test'], with_target=True, listener=Silent())\n"
        "print([name for name in ('torch', 'datasets', 'sklearn', 'pandas') if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
