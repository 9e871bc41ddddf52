"""Numbers: what is read, what is refused with column and row, what the network is told."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from dlw.errors import DataError
from dlw.fields import number
from dlw.fields._statistics import bin_edges


def column(*values: object) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values)])


def field(role: str = "input", **settings: object) -> number.Number:
    return number.build(number.Settings.model_validate(settings), "age", role)  # type: ignore[arg-type]


def test_statistics_are_those_of_the_known_values() -> None:
    state = field().fit(column(1.0, None, 3.0, 8.0))
    spec = field().spec(state)
    assert spec.statistics["mean"] == [4.0]
    assert spec.statistics["std"] == [pytest.approx(np.std([1, 3, 8]))]
    assert len(spec.statistics["quantiles"][0]) == 65
    assert spec.statistics["quantiles"][0][32] == 3.0
    assert spec.statistics["edges"] == [[1.0, 3.0, 8.0]]
    assert spec.columns == ("age",)


def test_edges_resolve_both_the_frequent_value_and_the_rest() -> None:
    values = np.concatenate([np.zeros(10_000), np.arange(1.0, 1001.0)])
    edges = bin_edges(values)
    assert len(edges) == 65
    assert (np.diff(edges) > 0).all()
    assert np.median(edges[1:]) == pytest.approx(500, abs=20)


@pytest.mark.withstands("bad inputs", case="D07")
def test_text_in_a_number_column_names_column_row_value_and_share() -> None:
    with pytest.raises(DataError, match=r"column age: row 2: 'old' is not a number \(1 such values, 25 % of"):
        field().fit(column("1", "2", "old", "4"))


def test_underscores_are_not_digits() -> None:
    with pytest.raises(DataError, match="'1_000'"):
        field().fit(column("1_000", "2"))


@pytest.mark.withstands("bad inputs", case="D09")
@pytest.mark.parametrize(("value", "reason"), [(1e308, "beyond what float32"), (float("inf"), "is infinite")])
def test_what_float32_cannot_hold_is_refused_with_its_row(value: float, reason: str) -> None:
    with pytest.raises(DataError, match=f"column age: row 1: .* {reason}"):
        field().fit(column(1.0, value, 2.0))


def test_infinities_are_missing_where_asked() -> None:
    values = column(1.0, float("inf"), 3.0, -float("inf"))
    asked = field(infinite="missing")
    state = asked.fit(values)
    assert state["statistics"]["mean"] == 2.0
    assert asked.decode(asked.encode(values, state).array, state) == [1.0, None, 3.0, None]
    with pytest.raises(DataError, match="beyond what float32"):
        asked.fit(column(1.0, 1e39))


@pytest.mark.withstands("bad inputs", case="D09")
def test_large_integers_become_floats() -> None:
    values = column(2**63 - 1, 0, None)
    state = field().fit(values)
    array = field().encode(values, state).array
    assert array[0, 0] == np.float32(2**63)
    assert np.isnan(array[2, 0])


@pytest.mark.withstands("bad inputs", case="D08")
@pytest.mark.parametrize(
    ("values", "reason"), [((5, 5, None, 5), "is 5 in every row"), ((None, None), "has no values")]
)
def test_columns_without_information_are_dropped_with_the_reason(values: tuple[object, ...], reason: str) -> None:
    state = field().fit(column(*values))
    assert state["dropped"] == reason
    assert field().spec(state).shape == (0,)
    assert field().encode(column(1, 2), state).array.shape == (2, 0)


def test_a_constant_target_is_an_error() -> None:
    with pytest.raises(DataError, match="target age: is 3 in every row"):
        field("target").fit(column(3, 3))


def test_a_missing_target_is_a_bad_row() -> None:
    state = field("target").fit(column(1.0, 2.0))
    array, bad, _ = field("target").encode(column(1.0, None), state)
    assert bad == {1: "target age is missing"}
    assert array[1, 0] == 0


@pytest.mark.withstands("bad inputs", case="D12")
def test_text_where_training_had_numbers_names_both_types() -> None:
    state = field().fit(column(1.0, 2.0))
    with pytest.raises(DataError, match="column age: held numbers in training and holds text now"):
        field().encode(column("one", "two"), state)
    np.testing.assert_array_equal(field().encode(column("3", "4"), state).array, [[3], [4]])


def test_codes_for_missing_become_gaps() -> None:
    made = field(missing=[-999.0])
    state = made.fit(column(1.0, -999.0, 3.0))
    assert state["statistics"]["mean"] == 2.0
    assert np.isnan(made.encode(column(-999.0), state).array).all()


def test_times_are_pointed_to_their_field() -> None:
    with pytest.raises(DataError, match="make it a timestamp field"):
        field().fit(pa.chunked_array([pa.array([1, 2], pa.timestamp("s"))]))
