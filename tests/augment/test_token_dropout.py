"""Token dropout: as many tokens as asked for are hidden, in any batch the same, and what frames a text stays."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from dlw.augment import token_dropout
from dlw.engine.draws import RowDraws
from dlw.errors import UsageError
from dlw.specs import FieldSpec

UNKNOWN, START, END = 1, 2, 3
LENGTH = 40


def spec(**marks: Any) -> FieldSpec:
    return FieldSpec("tokens", (LENGTH,), "int32", (), (90,), (), marks, is_ragged=True)


MARKED = spec(unknown=[UNKNOWN], start=[START], end=[END], characters=[1] * 90)


def texts(rows: int) -> Tensor:
    """Return ids of texts in their frame, each a step shorter than the one before, down to ten."""
    ids = torch.randint(4, 90, (rows, LENGTH), generator=torch.Generator().manual_seed(0), dtype=torch.int32)
    ids[:, 0] = START
    for row in range(rows):
        length = LENGTH - row % 30
        ids[row, length - 1], ids[row, length:] = END, 0
    return ids


def hidden(batch: dict[str, Tensor], rows: Tensor, probability: float = 0.3) -> dict[str, Tensor]:
    made = token_dropout.build(token_dropout.Settings(probability=probability), dict.fromkeys(batch, MARKED))
    return made(batch, RowDraws(5, 1, rows, 0))


def test_a_share_of_the_words_is_hidden_and_frames_stay() -> None:
    ids = texts(200)
    found = hidden({"text": ids}, torch.arange(200))["text"]
    is_frame = (ids == 0) | (ids == START) | (ids == END)
    assert torch.equal(found[is_frame], ids[is_frame])
    is_changed = found != ids
    assert found[is_changed].eq(UNKNOWN).all()
    assert is_changed.sum() / (~is_frame).sum() == pytest.approx(0.3, abs=0.02)
    assert found.dtype == torch.int32


def test_a_row_changes_the_same_way_in_every_batch() -> None:
    """Even beside another text, in a batch whose longest row is shorter."""
    ids = texts(30)
    both = hidden({"text": ids, "title": ids}, torch.arange(30))
    part = torch.tensor([29, 25])
    short = ids[part][:, :20]
    again = hidden({"text": short, "title": short}, part)
    for name in ("text", "title"):
        assert torch.equal(again[name], both[name][part][:, :20])
    assert not torch.equal(both["text"], both["title"])


def test_texts_longer_than_those_of_training_are_taken() -> None:
    """Windows of a language model, rows that were not in the sample that was fitted."""
    ids = torch.full((50, 3 * LENGTH), 7, dtype=torch.int32)
    assert hidden({"text": ids}, torch.arange(50))["text"].eq(UNKNOWN).float().mean() == pytest.approx(0.3, abs=0.02)


def test_who_speaks_is_not_hidden() -> None:
    made = token_dropout.build(
        token_dropout.Settings(probability=0.9), {"text": spec(unknown=[UNKNOWN], roles={"user": 50, "assistant": 51})}
    )
    ids = torch.full((9, 20), 51, dtype=torch.int32)
    assert torch.equal(made({"text": ids}, RowDraws(5, 1, torch.arange(9), 0))["text"], ids)


def test_what_is_learned_is_left_alone() -> None:
    ids = texts(4)
    assert torch.equal(hidden({"text": ids, "target": ids}, torch.arange(4))["target"], ids)


def test_tokens_without_an_unknown_one_are_refused() -> None:
    with pytest.raises(UsageError, match="the tokens of film have none that stands for the unknown"):
        token_dropout.build(token_dropout.Settings(), {"film": spec()})
