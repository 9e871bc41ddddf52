"""Lists of ids and what follows them: one set of ids for both, unknown ones left out or marked, titles kept."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from dlw.errors import DataError
from dlw.fields import following, identities
from dlw.fields._base import Beside


def column(values: list[Any]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values)])


HISTORY = column([[3, 20], [20, 100], [], None])
FIELD = identities.build(identities.Settings(), "history", "input")


@pytest.mark.withstands("bad inputs", case="D22")
def test_ids_count_from_one_in_order_and_unknown_ones_are_left_out() -> None:
    state = FIELD.fit(HISTORY)
    assert (state["labels"], state["counts"], state["titles"]) == (["3", "20", "100"], [1, 2, 1], [])
    encoded = FIELD.encode(column([[100, 7, 3], [8], None]), state)
    assert encoded.array.tolist() == [[3, 1], [0, 0], [0, 0]]
    assert encoded.notes == ("column history: 2 ids were not seen in training and are left out",)
    assert FIELD.decode(encoded.array, state) == [["100", "3"], [], []]


def test_lists_records_and_text_are_the_same_ids() -> None:
    state = FIELD.fit(column([[{"id": 3, "title": "Cube"}, {"id": 20, "title": None}]]))
    assert state["titles"] == ["Cube", "20"]
    assert FIELD.encode(column(["3 20"]), state).array.tolist() == [[1, 2]]
    assert FIELD.encode(column([20]), state).array.tolist() == [[2, 0]]


def test_only_the_last_steps_are_kept() -> None:
    short = identities.build(identities.Settings(max_length=2), "history", "input")
    state = short.fit(column([[1, 2, 3]]))
    assert short.encode(column([[1, 2, 3], [3, 9, 1, 2]]), state).array.tolist() == [[2, 3], [1, 2]]


def test_what_follows_uses_the_ids_of_the_history() -> None:
    state = FIELD.fit(HISTORY)
    beside = Beside(HISTORY, state, {})
    field = following.build(following.Settings(), "next", "target")
    learned = field.fit(column([[20], [100], [3], [3]]), beside)
    encoded = field.encode(column([[20, 100], [7], [], None]), learned, beside)
    assert encoded.array.tolist() == [[2, 3], [4, 0], [0, 0], [0, 0]]
    assert encoded.bad == {2: "next holds no item", 3: "next holds no item"}
    assert field.decode(encoded.array, learned) == [["20", "100"], [None], [], []]
    assert field.spec(learned).labels == FIELD.spec(state).labels


def test_roles_and_other_columns_are_refused() -> None:
    with pytest.raises(DataError, match="column next: what follows is a target"):
        following.build(following.Settings(), "next", "input")
    with pytest.raises(DataError, match="make it `following`"):
        identities.build(identities.Settings(), "history", "target")
    with pytest.raises(DataError, match="a record of its lists has no id"):
        FIELD.fit(column([[{"name": 3}]]))
    with pytest.raises(DataError, match="holds no item of the histories"):
        following.build(following.Settings(), "next", "target").fit(
            column([[5]]), Beside(HISTORY, FIELD.fit(HISTORY), {})
        )
