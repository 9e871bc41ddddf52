"""Series: layouts, lengths, gaps, statistics of overlapping windows, refusals that name the row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dlw.errors import DataError
from dlw.fields import series


def made(role: str = "input", **options: Any) -> series.Series:
    return series.build(series.Settings(**options), "s", role)  # type: ignore[arg-type]


def column(rows: list[Any]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(rows)])


def test_channels_outside_are_turned_inside() -> None:
    rows = column([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[7.0], [8.0]]])
    field = made(layout="channels")
    state = field.fit(rows)
    array = field.encode(rows, state).array
    assert array.shape == (2, 3, 2)
    assert array[0].tolist() == [[1, 4], [2, 5], [3, 6]]
    assert np.isnan(array[1, 1:]).all()
    assert field.decode(array, state) == rows.to_pylist()


def test_statistics_are_of_channels_where_there_are_as_many_steps() -> None:
    rows = column([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]])
    assert made(layout="channels").fit(rows)["statistics"]["mean"] == [3.5, 5.5]


def test_a_given_length_keeps_the_last_steps_and_fills_the_front() -> None:
    field = made(length=3)
    rows = column([[1.0, 2.0, 3.0, 4.0], [5.0]])
    state = field.fit(rows)
    assert field.spec(state).is_ragged is False
    assert str(field.encode(rows, state).array[..., 0].tolist()) == "[[2.0, 3.0, 4.0], [nan, nan, 5.0]]"


def test_values_that_windows_share_count_once() -> None:
    values = pa.StructArray.from_arrays([pa.array([0.0, 1.0, 2.0, 9.0])], ["a"])
    starts, sizes = (pa.array(numbers, pa.int32()) for numbers in ([0, 0, 1], [2, 3, 2]))
    windows = pa.chunked_array([pa.ListViewArray.from_arrays(starts, sizes, values)])
    field = made(length=2)
    assert field.fit(windows)["statistics"]["mean"] == [1.0], "the 9 is in no window"
    assert field.encode(windows.take([2]), field.fit(windows)).array.tolist() == [[[1.0], [2.0]]]


def test_a_season_is_measured() -> None:
    state = made("target", season=2).fit(column([[1.0, 5.0, 2.0, 7.0]]))
    assert state["statistics"]["season"] == [2]
    assert state["statistics"]["seasonal_error"] == [1.5]
    with pytest.raises(DataError, match="season 4 needs more steps, the longest row has 4"):
        made("target", season=4).fit(column([[1.0, 5.0, 2.0, 7.0]]))


@pytest.mark.withstands("bad inputs", case="D16")
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[[1.0, 2.0]], [[1.0]]], "1 to 2 channels"),
        ([[[1.0, 2.0], [1.0]], [[1.0, 2.0]]], "row 0: its inner lists differ in length"),
        ([None, []], "holds no series"),
        ([["a"], ["b"]], "holds lists .* where lists of numbers are needed"),
        ([[None, None], [None, None]], "channel 0 has no values"),
    ],
)
def test_bad_cells_are_explained(rows: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=f"column s: {message}"):
        made().fit(column(rows))


@pytest.mark.withstands("bad inputs", case="D16")
def test_bad_rows_are_named_and_infinities_refused() -> None:
    field = made()
    state = field.fit(column([[1.0, 2.0], [3.0, 4.0]]))
    bad = field.encode(column([[1.0, 2.0], [3.0], None, [None, None]]), state).bad
    assert list(bad) == [1, 2, 3]
    assert "1 steps where every training row had 2" in bad[1]
    with pytest.raises(DataError, match="row 0: channel s: a value is infinite"):
        field.encode(column([[1e39, 2.0]]), state)


def test_a_column_of_missing_cells_alone_holds_rows_without_a_series() -> None:
    field = made()
    state = field.fit(column([[1.0, 2.0], [3.0, 4.0]]))
    assert field.encode(column([None]), state).bad == {0: "column s: no series"}
    with pytest.raises(DataError, match="column s: holds no series in the training split"):
        field.fit(column([None]))


def test_a_season_that_no_two_values_lie_apart_is_refused() -> None:
    with pytest.raises(DataError, match="column s: channel 0 has no two values 2 steps apart, a season"):
        made("target", season=2).fit(column([[1.0, None, None, 4.0], [1.0, None, None, 3.0]]))
