"""Counter-based random numbers."""

from __future__ import annotations

import torch

from dlw.engine.draws import RowDraws


def test_a_rows_numbers_do_not_depend_on_its_batch() -> None:
    together = RowDraws(1, 2, torch.arange(100), 0)
    alone = RowDraws(1, 2, torch.tensor([57]), 0)
    for count in (3, 1):
        assert torch.equal(together.uniform(count)[57], alone.uniform(count)[0])


def test_seed_epoch_row_place_and_call_all_matter() -> None:
    rows = torch.arange(64)
    base = RowDraws(1, 2, rows, 0).uniform(4)
    others = [RowDraws(2, 2, rows, 0), RowDraws(1, 3, rows, 0), RowDraws(1, 2, rows + 64, 0), RowDraws(1, 2, rows, 1)]
    assert all(not torch.equal(base, other.uniform(4)) for other in others)
    draws = RowDraws(1, 2, rows, 0)
    assert not torch.equal(draws.uniform(4), draws.uniform(4))


def test_numbers_are_uniform_and_uncorrelated() -> None:
    values = torch.cat([RowDraws(7, epoch, torch.arange(5000), 3).uniform(4) for epoch in range(10)])
    assert values.min() >= 0
    assert values.max() < 1
    counts = torch.histc(values, bins=20, min=0, max=1)
    assert ((counts / counts.mean() - 1).abs() < 0.05).all()
    assert torch.corrcoef(values.T).triu(1).abs().max() < 0.02


def test_shared_gives_one_draw_for_the_batch() -> None:
    assert RowDraws(1, 2, torch.arange(8), 0).shared(5).shape == (5,)
