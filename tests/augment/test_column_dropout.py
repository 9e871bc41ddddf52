"""Forgetting values: the stated share, as missing, the same again for the same draws."""

from __future__ import annotations

import pytest
import torch

from dlw.augment import column_dropout
from dlw.engine.draws import RowDraws
from dlw.specs import FieldSpec

NUMBER = FieldSpec("number", (3,), "float32", ("a", "b", "c"))
CATEGORY = FieldSpec("category", (2,), "int64", ("d", "e"), (5, 5))


@pytest.mark.parametrize("groups", [("number",), ("category",), ("category", "number")])
def test_forgets_the_stated_share(groups: tuple[str, ...]) -> None:
    specs = {"number": NUMBER, "category": CATEGORY}
    batch = {"number": torch.ones(2000, 3), "category": torch.ones(2000, 2, dtype=torch.int64)}
    batch = {group: batch[group] for group in groups} | {"target": torch.arange(2000)}
    forget = column_dropout.build(column_dropout.Settings(probability=0.3), {group: specs[group] for group in groups})
    rows = torch.arange(2000)
    changed = forget(batch, RowDraws(1, 0, rows, 0))
    gone = torch.cat([changed[g].isnan() if g == "number" else changed[g] == 0 for g in groups], dim=1)
    assert gone.float().mean(0).tolist() == pytest.approx([0.3] * gone.shape[1], abs=0.04)
    assert set(gone.sum(1).unique().tolist()) == set(range(gone.shape[1] + 1))
    again = forget(batch, RowDraws(1, 0, rows, 0))
    for group in groups:
        torch.testing.assert_close(changed[group], again[group], equal_nan=True)
        assert batch[group].eq(1).all()
    assert changed["target"] is batch["target"]
