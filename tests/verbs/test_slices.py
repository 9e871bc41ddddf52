"""Slices: every row in exactly one group, numbers at their quartiles, gaps and rare values on their own."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dlw.errors import UsageError
from dlw.verbs import _slices

DAYS = [datetime.date(2020, 1, 1) + datetime.timedelta(days=day) for day in range(40)]


def groups(values: Any) -> dict[str, list[int]]:
    column = pa.chunked_array([values if isinstance(values, pa.Array) else pa.array(values)])
    found = _slices.groups(column, "c")
    together = np.sort(np.concatenate([rows for _, rows in found]))
    assert together.tolist() == list(range(len(column)))
    return {value: rows.tolist() for value, rows in found}


def test_values_in_their_order_gaps_last() -> None:
    assert groups(["b", "a", None, "b", ""]) == {"a": [1], "b": [0, 3], "(missing)": [2, 4]}
    assert groups([10, 9, 10]) == {"9": [1], "10": [0, 2]}
    assert groups([True, False, True]) == {"False": [1], "True": [0, 2]}
    assert groups(pa.array(["x", "y", "x"]).dictionary_encode()) == {"x": [0, 2], "y": [1]}


def test_numbers_are_cut_at_the_quartiles() -> None:
    found = groups([float(value) for value in range(40)] + [float("nan")])
    assert list(found) == ["0 to 9", "10 to 19", "20 to 29", "30 to 39", "(missing)"]
    assert [len(rows) for rows in found.values()] == [10, 10, 10, 10, 1]


def test_equal_numbers_stay_together() -> None:
    found = groups([0] * 100 + list(range(1, 21)))
    assert list(found) == ["0 to 0", "1 to 20"]


def test_times_are_cut_at_the_quartiles() -> None:
    found = groups(DAYS)
    assert [len(rows) for rows in found.values()] == [10, 10, 10, 10]
    assert next(iter(found)) == "2020-01-01 to 2020-01-10"


def test_rare_values_are_put_together() -> None:
    found = groups([f"v{value:03d}" for value in range(60)] + ["v007"])
    assert len(found) == _slices.MAX_VALUES
    assert found["v007"] == [7, 60]
    assert len(found["(11 other values)"]) == 11


@pytest.mark.parametrize("values", [[b"x"], [[1]], [{"bytes": b"x"}]])
def test_pictures_and_lists_are_refused(values: Any) -> None:
    with pytest.raises(UsageError, match="--slice c: holds"):
        groups(values)


def test_an_unknown_column_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"--slice sexx: no such column; did you mean sex\? \(there are sex, age\)"):
        _slices.check_columns(["sexx"], ["sex", "age"], "--slice")
