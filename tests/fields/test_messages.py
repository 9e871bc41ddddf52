"""Conversations as tokens: roles and ends stand where a language model learns from them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from dlw.errors import DataError
from dlw.fields import messages
from dlw.packing import answered

TALK = [{"role": "user", "content": "hi you"}, {"role": "assistant", "content": "ho"}, {"role": "user", "content": "?"}]


def test_each_turn_is_a_role_what_is_said_and_an_end() -> None:
    field = messages.build(messages.Settings(), "talk", "input")
    values = pa.chunked_array([[TALK, TALK[:1], None]])
    state = field.fit(values)
    spec = field.spec(state)
    (end,), roles = spec.statistics["end"], spec.statistics["roles"]
    array = field.encode(values, state).array
    row = array[0]
    assert row[0] == roles["user"]
    assert row.tolist().count(end) == 3
    assert (array[2] == 0).all()
    assert array.max() < spec.sizes[0] == len(spec.statistics["characters"])
    learned = row[1:][answered(row[None, :-1], end, roles)[0]]
    assert field.decode(learned[None, :-1], state) == ["ho"]
    assert learned[-1] == end
    assert field.decode(array, state) == [TALK, TALK[:1], []]


def test_of_a_long_talk_the_last_turns_stay() -> None:
    field = messages.build(messages.Settings(max_length=12), "talk", "input")
    values = pa.chunked_array([[TALK * 5, TALK]])
    state = field.fit(values)
    assert field.decode(field.encode(values, state).array, state)[0][-1] == TALK[-1]
    assert field.encode(values, state).array.shape[1] <= 12


def test_what_is_no_conversation_is_refused_by_row() -> None:
    field = messages.build(messages.Settings(), "talk", "input")
    wrong = pa.chunked_array([[TALK, [{"role": "robot", "content": "x"}]]])
    with pytest.raises(DataError, match="column talk, row 1: not a list of messages"):
        field.fit(wrong)
