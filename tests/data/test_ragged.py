"""Rows of different length: the end of a row is read off the row, and batches come in buckets of one length."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch

from dlw.engine.batches import Resident, training_plan
from dlw.engine.inference import Predictor, answer_arrays
from dlw.ragged import FILL, LEAST_STEPS, bucketed, joined, lengths, stack, trimmed
from dlw.specs import OutputSpec
from dlw.tasks._base import Task

DTYPES = {"tokens": "int32", "sound": "int16", "series": "float32", "graph": "int16"}


@pytest.mark.parametrize("kind", FILL)
@pytest.mark.parametrize("shape", [(), (3,)])
def test_lengths_are_read_off_stacked_rows(kind: str, shape: tuple[int, ...]) -> None:
    rows = [np.ones((count, *shape), DTYPES[kind]) for count in (3, 0, 7, 1)]
    stacked = stack(rows, kind, DTYPES[kind], shape)
    assert stacked.shape == (4, 7, *shape)
    assert lengths(stacked, kind).tolist() == [3, 0, 7, 1]


def test_a_gap_inside_a_series_is_no_end() -> None:
    gap = np.array([[1.0, 2.0], [np.nan, np.nan], [np.nan, 4.0]], np.float32)
    assert lengths(stack([gap, gap[:1]], "series", "float32", (2,)), "series").tolist() == [3, 1]


def test_arrays_are_cut_to_their_longest_row_but_not_below_two_steps() -> None:
    wide = np.zeros((2, 9), np.int32)
    wide[0, :4] = 5
    cut = trimmed({"text": wide, "other": wide}, {"text": "tokens"})
    assert (cut["text"].shape, cut["other"].shape) == ((2, 4), (2, 9))
    assert trimmed({"text": wide[1:]}, {"text": "tokens"})["text"].shape == (1, LEAST_STEPS)


def test_answers_of_different_length_are_joined_with_zeros() -> None:
    assert joined([np.ones((1, 2)), np.ones((1, 3))]).tolist() == [[1, 1, 0], [1, 1, 1]]


def test_buckets_hold_every_row_once_and_little_fill() -> None:
    rng = np.random.default_rng(0)
    of_length, rows = rng.integers(1, 100, 1000), rng.permutation(1000)
    found = bucketed(rows, of_length, 16, np.random.default_rng(1))
    assert sorted(found) == list(range(1000))
    batches = of_length[found[:992]].reshape(-1, 16)
    assert np.mean(batches.max(1) - batches.min(1)) < 8
    assert np.corrcoef(batches.mean(1), np.arange(62))[0, 1] < 0.5, "batches come in random order"


def test_a_bucketed_plan_is_a_function_of_seed_and_epoch_and_continues() -> None:
    of_length = np.random.default_rng(0).integers(1, 30, 50)
    whole = list(islice(training_plan(3, 50, 12, 4, 0, of_length), 12))
    rest = list(islice(training_plan(3, 50, 12, 4, 5, of_length), 7))
    assert all(np.array_equal(a, b) for a, b in zip(whole[5:], rest, strict=True))
    assert not np.array_equal(whole[0], whole[4])


def test_batches_are_cut_to_their_own_longest_row() -> None:
    text = stack([np.full(count, 7, np.int32) for count in range(1, 11)], "tokens", "int32")
    batches = Resident({"text": text, "target": np.arange(10)}, torch.device("cpu"), {"text": "tokens"})
    (batch,) = batches.stream(iter([np.array([2, 4])]))
    assert batch["text"].shape == (2, 5)
    assert batches.lengths is not None
    assert batches.lengths.tolist() == list(range(1, 11))


class Counting(Task):
    """Answers with the number of steps of each row, and with the row itself."""

    output = OutputSpec("vector", 1)

    def activate(self, out: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"steps": (out != 0).sum(1), "row": out}


class Echo(torch.nn.Module):
    """Answers with its input; holds a parameter so that it has a device."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return batch["text"]


def test_answers_come_in_the_order_of_the_rows_whatever_their_length() -> None:
    rows = [np.full(count, count, np.int32) for count in np.random.default_rng(0).permutation(600) + 1]
    text = stack(rows, "tokens", "int32")
    found = answer_arrays(Predictor(Echo(), Counting()), {"text": text}, ragged={"text": "tokens"})
    assert found["steps"].tolist() == [len(row) for row in rows]
    assert np.array_equal(found["row"], text)
