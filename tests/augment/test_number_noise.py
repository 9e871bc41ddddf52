"""Shaking numbers: normal noise of the stated width, gaps stay gaps."""

from __future__ import annotations

import pytest
import torch

from dlw.augment import number_noise
from dlw.engine.draws import RowDraws
from dlw.specs import FieldSpec


def test_noise_has_the_stated_width_and_gaps_stay() -> None:
    spec = FieldSpec("number", (3,), "float32", ("a", "b", "c"), statistics={"std": [1.0, 100.0, 0.0]})
    number = torch.full((4000, 3), 7.0)
    number[0] = torch.nan
    shake = number_noise.build(number_noise.Settings(scale=0.1), {"number": spec})
    rows = torch.arange(4000)
    noise = shake({"number": number}, RowDraws(1, 0, rows, 0))["number"] - 7
    assert noise[0].isnan().all()
    assert noise[1:].mean(0).tolist() == pytest.approx([0.0, 0.0, 0.0], abs=0.5)
    assert noise[1:].std(0).tolist() == pytest.approx([0.1, 10.0, 0.0], rel=0.05)
    share_within_one = (noise[1:, 0].abs() < 0.1).float().mean().item()
    assert share_within_one == pytest.approx(0.683, abs=0.03)
    torch.testing.assert_close(
        shake({"number": number}, RowDraws(1, 0, rows, 0))["number"][1:] - 7, noise[1:], rtol=0, atol=0
    )
