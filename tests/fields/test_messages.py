"""Conversations as tokens: roles and ends stand where a language model learns from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dlw.errors import DataError
from dlw.fields import messages
from dlw.packing import Packing, join, judging_windows

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
    windows = judging_windows(join([array[:1]], end), Packing(100, 100, 100), end, roles)
    learned = windows.take(np.arange(len(windows.starts)))[1].ravel()
    learned = learned[learned > 0]
    assert field.decode(learned[None, :-1], state) == ["ho"]
    assert learned[-1] == end
    assert field.decode(array, state) == [TALK, TALK[:1], []]


def test_of_a_long_talk_the_last_turns_stay() -> None:
    field = messages.build(messages.Settings(max_length=12), "talk", "input")
    values = pa.chunked_array([[TALK * 5, TALK]])
    state = field.fit(values)
    encoded = field.encode(values, state)
    assert field.decode(encoded.array, state)[0][-1] == TALK[-1]
    assert encoded.array.shape[1] <= 12
    assert encoded.notes == ("column talk: 1 of 2 conversations are cut to max_length, the last 12 steps",)
    said = pa.chunked_array([[TALK[:1], [{"role": "user", "content": "hi you " * 9}]]])
    assert [note[:18] for note in field.encode(said, state).notes] == ["column talk: 1 of "]
    assert field.encode(said.slice(0, 1), state).notes == ()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([*TALK, {"role": "robot", "content": "x"}], r"message 3 \(from 0\) has the role 'robot'; known are system, "),
        ([{"role": None, "content": "x"}], r"message 0 \(from 0\) has the role None"),
        ([{"role": "user", "content": None}], r"message 0 \(from 0\) is {.*}, which has no text as `content`"),
        ([None], r"message 0 \(from 0\) is None, which has no text"),
    ],
)
def test_what_is_no_conversation_is_refused_by_row_and_message(value: Any, told: str) -> None:
    field = messages.build(messages.Settings(), "talk", "input")
    with pytest.raises(DataError, match=rf"column talk: row 1 of those read \(from 0\): {told}"):
        field.fit(pa.chunked_array([[TALK, value]]))


def test_a_number_is_no_conversation() -> None:
    with pytest.raises(DataError, match="7 is not a list of messages with `role` and `content`"):
        messages.build(messages.Settings(), "talk", "input").fit(pa.chunked_array([[7, 8]]))
