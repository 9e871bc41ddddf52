"""Labels: lists, delimited text and yes/no columns, with gaps masked."""

from __future__ import annotations

import pyarrow as pa
import pytest

from dlw.errors import DataError
from dlw.fields import labels


def column(*values: object) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values)])


def field(role: str = "target", **settings: object) -> labels.Labels:
    return labels.build(labels.Settings.model_validate(settings), "tags", role)  # type: ignore[arg-type]


def test_a_yes_no_column_is_one_label_with_gaps() -> None:
    state = field().fit(column(1, 0, None, 1))
    spec = field().spec(state)
    assert spec.labels == ("tags",)
    assert spec.statistics == {"counts": [[1, 2, 1]]}
    assert field().encode(column("yes", "NO", None, "1", "false", ""), state).array[:, 0].tolist() == [
        1,
        0,
        -1,
        1,
        0,
        -1,
    ]


def test_lists_become_one_column_a_label() -> None:
    state = field().fit(column(["b", "a"], [], None, ["b", "b"]))
    spec = field().spec(state)
    assert spec.labels == ("a", "b")
    assert spec.statistics == {"counts": [[2, 1, 1], [1, 2, 1]]}
    encoded = field().encode(column(["b", "new"], None, []), state)
    assert encoded.array.tolist() == [[0, 1], [-1, -1], [0, 0]]
    assert encoded.notes == ("column tags: 1 labels were not learned in training and are ignored",)
    assert field().encode(column(None), state).array.tolist() == [[-1, -1]]  # of no type, as a table of one row may be


def test_text_is_split_at_the_delimiter() -> None:
    made = field(delimiter="|")
    state = made.fit(column("a| b", "b", None))
    assert made.encode(column("b|a", "c"), state).array.tolist() == [[1, 1], [0, 0]]


def test_rare_labels_can_be_left_out() -> None:
    assert field(min_count=2).fit(column(["a"], ["a", "b"]))["labels"] == ["a"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((1, 1), r"rows of both answers \(no: 0, yes: 2\)"),
        (("a", "b"), r"row 0 of those read \(from 0\): 'a' is neither yes nor no"),
    ],
)
def test_what_is_not_yes_or_no_is_refused(values: tuple[object, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        field().fit(column(*values))


def test_another_type_at_prediction_names_both() -> None:
    state = field().fit(column(["a"], ["b"]))
    with pytest.raises(DataError, match="held lists in training and holds text now"):
        field().encode(column("a"), state)


def test_a_column_of_single_numbers_is_one_label_each() -> None:
    made = field(delimiter="|")
    state = made.fit(column("1|2", "2", "3|1", None))
    assert made.encode(column(3, 1, None), state).array.tolist() == [[0, 0, 1], [1, 0, 0], [-1, -1, -1]]
    assert made.encode(column(None), state).array.tolist() == [[-1, -1, -1]]
