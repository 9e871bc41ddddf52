"""Networks that forecast: levels and sizes go on as they are, gaps do not spread, impossible options are refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dlw import registry
from dlw.errors import UsageError
from dlw.specs import FieldSpec, OutputSpec

HISTORY = FieldSpec("series", (24, 2), "float32", ("p", "q"), statistics={"mean": [1.0, 9.0], "std": [2.0, 3.0]})
OUTPUT = OutputSpec("forecast", 6, steps=7, columns=("q", "p"))
"""Three values for each of two columns, in another order than the history's."""
CASES = [
    ("linear_series", {"map": "plain", "hidden": 5}),
    ("linear_series", {"map": "decomposed", "average": 5}),
    ("linear_series", {"map": "sparse", "season": 6}),
    ("patch_series", {"patch": 8, "stride": 5, "width": 8, "heads": 2}),
]


def made(model: str, **options: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    plugin = registry.load("models", model)
    network: torch.nn.Module = plugin.build(plugin.Settings(**options), {"h": HISTORY}, OUTPUT)
    return network.eval()


@pytest.mark.parametrize(("model", "options"), CASES)
@pytest.mark.parametrize("normalise", ["last", "mean", "standard"])
def test_a_shifted_history_shifts_the_forecast(model: str, options: dict[str, Any], normalise: str) -> None:
    network = made(model, **options, normalise=normalise)
    history = torch.randn(3, 24, 2)
    forecast = network({"h": history})
    assert forecast.shape == (3, 7, 6)
    moved = network({"h": history + torch.tensor([100.0, -50.0])})
    torch.testing.assert_close(
        moved - forecast, torch.tensor([-50.0] * 3 + [100.0] * 3).expand(3, 7, 6), atol=1e-3, rtol=0
    )


@pytest.mark.parametrize(("model", "options"), CASES)
def test_a_gap_in_one_channel_leaves_the_other_alone(model: str, options: dict[str, Any]) -> None:
    network = made(model, **options)
    history = torch.randn(2, 24, 2)
    holed = history.clone()
    holed[:, 5:9, 0] = torch.nan
    forecast, with_gap = network({"h": history}), network({"h": holed})
    assert with_gap.isfinite().all()
    torch.testing.assert_close(with_gap[..., :3], forecast[..., :3])
    assert not torch.allclose(with_gap[..., 3:], forecast[..., 3:])


def test_what_cannot_be_forecast_is_refused() -> None:
    plugin = registry.load("models", "linear_series")
    with pytest.raises(UsageError, match="needs one input series with the channels to forecast \\(r\\), 0 found"):
        plugin.build(plugin.Settings(), {"h": HISTORY}, OutputSpec("forecast", 1, steps=1, columns=("r",)))
    with pytest.raises(UsageError, match="q of h"):
        plugin.build(plugin.Settings(), {"h": HISTORY}, OutputSpec("forecast", 1, steps=1, columns=("p",)))
    with pytest.raises(ValueError, match="sparse needs `season`"):
        plugin.Settings(map="sparse")
