"""Categories: ids that do not depend on row order, classes counted, surprises told."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlw.errors import DataError
from dlw.fields import category


def column(*values: object) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values)])


def field(role: str = "input", **settings: object) -> category.Category:
    return category.build(category.Settings.model_validate(settings), "city", role)  # type: ignore[arg-type]


@pytest.mark.withstands("bad inputs", case="D10")
def test_inputs_keep_zero_for_missing_and_unknown() -> None:
    state = field().fit(column("b", "a", None, "b"))
    encoded = field().encode(column("a", "b", "c", None, ""), state)
    assert encoded.array[:, 0].tolist() == [1, 2, 0, 0, 0]
    assert field().spec(state).sizes == (3,)
    assert encoded.notes == (
        "column city: 1 of 5 values were not seen in training and count as unknown (first: row 2, 'c')",
    )


def test_rare_inputs_count_as_unknown() -> None:
    made = field(min_count=2)
    state = made.fit(column("a", "a", "b", "c", "c"))
    assert state["labels"] == ["a", "c"]
    assert made.encode(column("a", "b", "c"), state).array[:, 0].tolist() == [1, 0, 2]


def test_targets_start_at_zero_and_name_and_count_their_classes() -> None:
    state = field("target").fit(column("no", "yes", "no", "yes", "no"))
    spec = field("target").spec(state)
    assert spec.labels == ("no", "yes")
    assert spec.sizes == (2,)
    assert spec.statistics == {"counts": [[3, 2]]}
    array, bad, _ = field("target").encode(column("yes", "perhaps", None), state)
    assert array[0, 0] == 1
    assert bad == {1: "city is 'perhaps', a class not in the training split", 2: "target city is missing"}


def test_declared_class_order_is_kept_and_empty_classes_are_told() -> None:
    values = pa.chunked_array(
        [pa.DictionaryArray.from_arrays(pa.array([1, 0, 1, 0]), pa.array(["z", "a", "m"]), ordered=True)]
    )
    state = field("target").fit(values)
    assert state["labels"] == ["z", "a", "m"]
    assert state["notes"] == ["target city: no training row of class 'm'"]
    assert field("target").encode(column("a", "z", "m", "a"), state).array[:, 0].tolist() == [1, 0, 2, 1]


@pytest.mark.withstands("bad inputs", case="D05")
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("a", "a", "a"), r"needs two classes with training rows \(a: 3\)"),
        (("a", "a", "b"), r"too few training rows of 'b' \(a: 2, b: 1\)"),
    ],
)
def test_useless_targets_are_refused_with_class_counts(values: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        field("target").fit(column(*values))


def test_a_class_of_one_row_can_be_allowed() -> None:
    assert field("target", min_count=1).fit(column("a", "a", "b"))["labels"] == ["a", "b"]


def test_whole_numbers_sort_as_numbers_and_match_floats_and_text() -> None:
    state = field().fit(column(10, 9, 2))
    assert state["labels"] == ["2", "9", "10"]
    assert field().encode(column(10.0, None, 2.0), state).array[:, 0].tolist() == [3, 0, 1]
    assert field().encode(column("9", "2"), state).array[:, 0].tolist() == [2, 1]


@pytest.mark.withstands("bad inputs", case="D12")
def test_another_type_of_which_nothing_is_known_is_refused() -> None:
    state = field().fit(column("red", "blue"))
    with pytest.raises(DataError, match="held text in training and holds numbers now"):
        field().encode(column(1, 2), state)


def test_a_constant_input_is_dropped_unless_it_has_gaps() -> None:
    assert field().fit(column("a", "a"))["dropped"] == "is 'a' in every row"
    assert field().fit(column("a", None))["labels"] == ["a"]
    assert field().fit(column(None, None))["dropped"] == "has no values"


@pytest.mark.withstands("properties", case="P12")
@given(st.lists(st.sampled_from(["x", "y", "10", "9", "ü", " "]), min_size=2, max_size=30), st.randoms())
def test_ids_are_a_bijection_that_row_order_cannot_change(words: list[str], random: object) -> None:
    shuffled = list(words)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    state = field().fit(column(*words))
    assert state == field().fit(column(*shuffled))
    if "labels" in state:
        ids = field().encode(column(*state["labels"]), state).array[:, 0].tolist()
        assert ids == list(range(1, len(state["labels"]) + 1))


def test_classes_of_their_own_have_the_same_id_in_every_table() -> None:
    made = field("target", unseen="keep")
    state = made.fit(column("a", "b", "a"))
    first = made.encode(column("new", "a", "newer"), state)
    second = made.encode(column("b", "newer", "new", None), state)
    assert first.array[1, 0] == 0
    assert second.array[0, 0] == 1
    assert first.array[[0, 2], 0].tolist() == second.array[[2, 1], 0].tolist()
    assert len({*first.array[:, 0].tolist(), *second.array[:, 0].tolist()}) == 4
    assert second.bad == {3: "target city is missing"}
    assert made.decode(first.array, state) == [None, "a", None]


def test_unseen_classes_are_a_matter_of_targets() -> None:
    with pytest.raises(DataError, match="`unseen` is for targets"):
        field("input", unseen="keep")


def test_classes_of_every_chunk_are_learned() -> None:
    parts = [
        pa.DictionaryArray.from_arrays(pa.array([0, 1, 0, 1]), pa.array(names), ordered=True)
        for names in (["low", "mid"], ["mid", "high"])
    ]
    values = pa.chunked_array(parts)
    state = field("target").fit(values)
    assert state["labels"] == ["low", "mid", "high"]
    assert state["counts"] == [2, 4, 2]
    assert field("target").encode(values, state).bad == {}
