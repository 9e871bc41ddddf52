"""Order and content of batches."""

from __future__ import annotations

from itertools import islice
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from dlw.engine.batches import Resident, Shards, Streamed, mixed_order, order, sequential_plan, training_plan
from dlw.engine.loop import training_batches
from dlw.engine.progress import Plan, Progress
from dlw.recipe.schema import Train
from dlw.specs import INDEX

CPU = torch.device("cpu")


def test_an_epoch_is_a_permutation_and_a_function_of_seed_and_epoch() -> None:
    assert sorted(order(1, 0, 100)) == list(range(100))
    assert np.array_equal(order(1, 5, 100), order(1, 5, 100))
    assert not np.array_equal(order(1, 0, 100), order(1, 1, 100))
    assert not np.array_equal(order(1, 0, 100), order(2, 0, 100))


@pytest.mark.parametrize("start", [1, 3, 4, 9])
def test_a_plan_continues_where_it_stopped(start: int) -> None:
    whole = list(islice(training_plan(3, 50, 12, 4, 0), 12))
    rest = list(islice(training_plan(3, 50, 12, 4, start), 12 - start))
    assert all(np.array_equal(a, b) for a, b in zip(whole[start:], rest, strict=True))


def test_an_epoch_shows_no_row_twice() -> None:
    rows = np.concatenate(list(islice(training_plan(3, 50, 12, 4, 0), 4)))
    assert len(set(rows.tolist())) == 48


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_streamed_batches_equal_resident_ones(workers: int) -> None:
    arrays = {"x": np.arange(200, dtype=np.float32).reshape(50, 4), "target": np.arange(50)}
    resident = Resident(arrays, CPU)
    streamed = Streamed(lambda rows: {name: array[rows] for name, array in arrays.items()}, 50, CPU, workers)
    pairs = zip(
        islice(resident.stream(training_plan(0, 50, 8, 6, 0)), 15),
        islice(streamed.stream(training_plan(0, 50, 8, 6, 0)), 15),
        strict=True,
    )
    for left, right in pairs:
        assert left.keys() == right.keys()
        assert all(torch.equal(left[name], right[name]) for name in left)


def test_an_error_in_a_loader_thread_reaches_the_loop() -> None:
    def encode(rows: np.ndarray) -> dict[str, np.ndarray]:
        raise ValueError("row 3 is broken")

    with pytest.raises(ValueError, match="row 3 is broken"):
        list(Streamed(encode, 10, CPU, 2).stream(sequential_plan(10, 4)))


@pytest.mark.parametrize(("at_once", "most"), [(1, 8 * 6), (16, 8 + 3 * 16), (1000, 8 + 3 * 1000)])
def test_few_rows_are_read_ahead(at_once: int, most: int) -> None:
    read: list[int] = []

    def encode(rows: np.ndarray) -> dict[str, np.ndarray]:
        read.append(len(rows))
        return {"x": rows}

    stream = Streamed(encode, 50, CPU, 2, at_once=at_once).stream(training_plan(0, 50, 8, 6, 0))
    assert len(next(stream)["x"]) == 8
    stream.close()  # type: ignore[attr-defined]
    assert sum(read) <= most


def test_no_row_is_read_that_no_step_takes() -> None:
    read: list[int] = []

    def encode(rows: np.ndarray) -> dict[str, np.ndarray]:
        read.append(len(rows))
        return {"x": rows}

    train = Streamed(encode, 50, CPU, 2, at_once=1000)
    job: Any = SimpleNamespace(train=train, team=None, seed=0, settings=SimpleNamespace(accumulate=2))
    plan = Plan(Train(epochs=3, batch_size=8, accumulate=2), "1 epoch", 50)
    batches = list(training_batches(job, plan, Progress(), 4))
    assert [len(batch["x"]) for batch in batches] == [8] * 8
    assert sum(read) == 4 * 16


UNEVEN = Shards(np.array([0, 7, 30, 31, 50, 64, 90, 100]), 3)
"""100 rows in seven shards, of which three are mixed."""


def epoch_of(seed: int, epoch: int, shards: Shards = UNEVEN) -> np.ndarray:
    return np.concatenate(list(mixed_order(seed, epoch, shards)))


@pytest.mark.parametrize("window", [1, 2, 3, 7, 64])
def test_a_mixed_epoch_shows_each_row_once_and_is_a_function_of_seed_and_epoch(window: int) -> None:
    shards = Shards(UNEVEN.bounds, window)
    assert sorted(epoch_of(1, 0, shards)) == list(range(100))
    assert np.array_equal(epoch_of(1, 5, shards), epoch_of(1, 5, shards))
    assert not np.array_equal(epoch_of(1, 0, shards), epoch_of(1, 1, shards))
    assert not np.array_equal(epoch_of(1, 0, shards), epoch_of(2, 0, shards))


def test_a_mixed_order_needs_few_shards_at_a_time_and_comes_back_to_none() -> None:
    shards = Shards(np.arange(0, 2001, 100), 4)
    parts = [set((part // 100).tolist()) for part in mixed_order(0, 0, shards)]
    assert max(map(len, parts)) == 4
    places = {shard: [place for place, part in enumerate(parts) if shard in part] for shard in range(20)}
    assert all(found == list(range(found[0], found[0] + len(found))) for found in places.values())
    sixteen = next(mixed_order(0, 0, Shards(np.arange(0, 3201, 100), 16)))
    assert len(set((sixteen[:64] // 100).tolist())) > 8


@pytest.mark.parametrize("start", [1, 7, 8, 9, 20])
def test_a_plan_over_shards_continues_where_it_stopped(start: int) -> None:
    whole = list(islice(training_plan(3, 100, 12, 8, 0, None, UNEVEN), 24))
    rest = list(islice(training_plan(3, 100, 12, 8, start, None, UNEVEN), 24 - start))
    assert all(np.array_equal(a, b) for a, b in zip(whole[start:], rest, strict=True))
    for epoch in range(3):
        assert len(set(np.concatenate(whole[8 * epoch : 8 * epoch + 8]).tolist())) == 96


@pytest.mark.parametrize("at_once", [1, 16, 1000])
def test_batches_that_are_encoded_together_are_the_same(at_once: int) -> None:
    token = np.where(np.arange(9) < np.arange(50)[:, None] % 9, 5, 0).astype(np.int32)
    arrays = {"x": np.arange(50), "words": token}
    kinds = {"words": "tokens"}
    resident = Resident(arrays, CPU, kinds)
    streamed = Streamed(
        lambda rows: {name: array[rows] for name, array in arrays.items()}, 50, CPU, 2, ragged=kinds, at_once=at_once
    )
    plan = list(islice(training_plan(0, 50, 8, 6, 0), 15))
    for left, right in zip(resident.stream(iter(plan)), streamed.stream(iter(plan)), strict=True):
        assert left.keys() == right.keys()
        assert all(torch.equal(left[name], right[name]) for name in left)


def test_rows_that_are_left_out_are_missing_from_their_batch_alone() -> None:
    def encode(rows: np.ndarray) -> dict[str, np.ndarray]:
        places = np.flatnonzero(rows % 5)
        return {"x": rows[places] * 3, INDEX: places}

    found = list(Streamed(encode, 20, CPU, 1, at_once=100).stream(sequential_plan(20, 6)))
    assert [batch[INDEX].tolist() for batch in found] == [
        [1, 2, 3, 4],
        [6, 7, 8, 9, 11],
        [12, 13, 14, 16, 17],
        [18, 19],
    ]
    assert all(torch.equal(batch["x"], batch[INDEX] * 3) for batch in found)
