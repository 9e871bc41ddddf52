"""Copied spans: what is asked for stands in the text, whole words in order, of the lengths asked for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from dlw.augment import copied_span
from dlw.engine.draws import RowDraws
from dlw.errors import UsageError
from dlw.specs import FieldSpec

ROWS, START, END = 60, 2, 3


def groups(same_as: str = "mail") -> dict[str, FieldSpec]:
    marks: dict[str, Any] = {"unknown": [1], "start": [START], "end": [END]}
    mail = FieldSpec("tokens", (40,), "int32", ("mail",), (90,), (), marks, is_ragged=True)
    marks = marks | ({"same_as": [same_as]} if same_as else {})
    return {"mail": mail, "target": FieldSpec("tokens", (12,), "int32", ("head",), (90,), (), marks, is_ragged=True)}


def mails(is_framed: bool) -> Tensor:
    """Return ids that rise by one from token to token, of 5 to 30 tokens, the first two rows empty and of one."""
    ids = torch.zeros(ROWS, 34, dtype=torch.int32)
    for row in range(ROWS):
        count = row if row < 2 else 5 + row % 26
        words = torch.arange(10 + row % 7, 10 + row % 7 + count, dtype=torch.int32)
        frame = [torch.tensor([mark], dtype=torch.int32) for mark in (START, END)]
        text = torch.cat([frame[0], words, frame[1]]) if is_framed else words
        ids[row, : len(text)] = text
    return ids


def asked(mail: Tensor, rows: Tensor, **options: Any) -> Tensor:
    made = copied_span.build(copied_span.Settings(**options), groups())
    head = torch.full((len(mail), 5), 88, dtype=torch.int32)
    return made({"mail": mail, "target": head}, RowDraws(5, 1, rows, 0))["target"]


@pytest.mark.parametrize("is_framed", [False, True])
def test_spans_stand_in_the_text(is_framed: bool) -> None:
    mail = mails(is_framed)
    target = asked(mail, torch.arange(ROWS), tokens=(3, 8))
    assert target.dtype == torch.int32
    assert target[0].tolist() == [88] * 5 + [0] * 3
    assert target[1].tolist() == [11] + [0] * 7
    counts, places = set(), set()
    for row in range(2, ROWS):
        words = [id_ for id_ in mail[row].tolist() if id_ > END]
        span = [id_ for id_ in target[row].tolist() if id_]
        assert span == list(range(span[0], span[0] + len(span)))
        assert set(span) <= set(words)
        assert target[row, len(span) :].eq(0).all()
        counts.add(len(span))
        places.add(words.index(span[0]) == 0)
    assert counts == set(range(3, 9))
    assert places == {False, True}


def test_a_row_is_asked_the_same_in_every_batch() -> None:
    mail = mails(False)
    whole = asked(mail, torch.arange(ROWS))
    part = torch.tensor([40, 7])
    assert torch.equal(asked(mail[part][:, :31], part), whole[part])


def test_other_rows_keep_their_answer() -> None:
    target = asked(mails(False), torch.arange(ROWS), probability=0.4)
    assert 14 <= int(target[:, 0].ne(88).sum()) <= 34


def test_spans_are_no_longer_than_answers_may_be() -> None:
    assert asked(mails(False), torch.arange(ROWS), tokens=(20, 30)).shape == (ROWS, 12)


def test_the_target_must_share_the_tokens_of_an_input() -> None:
    with pytest.raises(UsageError, match="with the tokenizer of an input, column:NAME"):
        copied_span.build(copied_span.Settings(), groups(same_as=""))


def test_the_lengths_must_rise() -> None:
    with pytest.raises(ValidationError, match="the first number must not be above the second"):
        copied_span.Settings(tokens=(5, 4))
