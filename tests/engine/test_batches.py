"""Order and content of batches."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch

from dlw.engine.batches import Resident, Streamed, order, sequential_plan, training_plan

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
