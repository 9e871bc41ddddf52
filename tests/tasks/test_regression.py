"""Regression: answers in the user's units, scaling that undoes itself, quantiles that never cross."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from dlw.errors import DataError
from dlw.specs import FieldSpec
from dlw.tasks import regression

STATISTICS = {"mean": [3.0, 400.0], "std": [2.0, 100.0], "quantiles": [[0.0, 3.0, 9.0], [100.0, 400.0, 900.0]]}
TARGET = FieldSpec("number", (2,), "float32", ("u", "v"), statistics=STATISTICS)
TRUTH = torch.tensor([[1.0, 300.0], [5.0, 900.0]])


def task(**options: Any) -> Any:
    return regression.build(regression.Settings(**options), TARGET)


@pytest.mark.parametrize("scale", ["standard", "log", "none"])
def test_the_loss_is_zero_exactly_where_the_answer_is_the_truth(scale: str) -> None:
    """Training and answering use the same units."""
    chosen = task(scale=scale)
    out = torch.zeros(2, 2, requires_grad=True)
    for _ in range(20):
        gradient, *_ = torch.autograd.grad(chosen.loss(out, TRUTH).sum(), out)
        out = (out - gradient).detach().requires_grad_()
    assert torch.allclose(chosen.loss(out, TRUTH), torch.zeros(2), atol=1e-6)
    assert torch.allclose(chosen.activate(out)["values"], TRUTH, rtol=1e-4)


def test_standard_scale_starts_at_the_training_mean() -> None:
    assert task().activate(torch.zeros(1, 2))["values"].tolist() == [[3.0, 400.0]]


@pytest.mark.parametrize(("loss", "expected"), [("mse", 2.0), ("mae", 1.0), ("huber", 0.75)])
def test_point_losses_by_hand(loss: str, expected: float) -> None:
    """Differences of 0 and 2 in scaled units, averaged over the two targets."""
    out = torch.tensor([[0.0, 2.0]])
    assert task(loss=loss).loss(out, torch.tensor([[3.0, 400.0]])).item() == pytest.approx(expected)


def test_quantiles_are_learned_and_never_cross() -> None:
    """Minimising the pinball loss finds the quantiles of the sample; answers rise with the level."""
    sample = torch.randn(2000, 1, generator=torch.Generator().manual_seed(0)) * 2 + 3
    one = FieldSpec("number", (1,), "float32", ("u",), statistics={"mean": [3.0], "std": [2.0]})
    chosen = regression.build(regression.Settings(quantiles=[0.1, 0.5, 0.9]), one)
    out = torch.tensor([[1.0, 0.0, -1.0]], requires_grad=True)
    for step in range(400):
        (gradient,) = torch.autograd.grad(chosen.loss(out.expand(2000, 3), sample).mean(), out)
        out = (out - 3 / (1 + step / 20) * gradient).detach().requires_grad_()
    answers = chosen.activate(torch.tensor([[1.0, 0.0, -1.0]]))
    assert (answers["quantiles"].diff(dim=-1) >= 0).all()
    assert answers["values"].tolist() == [[3.0]]
    expected = torch.quantile(sample, torch.tensor([0.1, 0.5, 0.9]))
    assert torch.allclose(chosen.activate(out)["quantiles"][0, 0], expected, atol=0.1)


def test_decoded_columns_carry_the_target_names_and_levels() -> None:
    chosen = task(quantiles=[0.05, 0.5, 0.975])
    answers = {name: value.numpy() for name, value in chosen.activate(torch.randn(1, 6)).items()}
    assert [*chosen.decode(answers)] == ["u", "u_q5", "u_q50", "u_q97.5", "v", "v_q5", "v_q50", "v_q97.5"]


def test_log_scale_refuses_negative_targets() -> None:
    statistics = {**STATISTICS, "quantiles": [[-1.5, 3.0], [0.0, 1.0]]}
    target = FieldSpec("number", (2,), "float32", ("u", "v"), statistics=statistics)
    with pytest.raises(DataError, match=r"scale: log needs targets of 0 and above, but u starts at -1\.5"):
        regression.build(regression.Settings(scale="log"), target)


@pytest.mark.parametrize(
    "options",
    [
        {"quantiles": [0.5, 0.1]},
        {"quantiles": [0.5, 0.5]},
        {"quantiles": [0.0]},
        {"quantiles": [0.5], "loss": "mae"},
        {"huber_delta": 2.0},
    ],
)
def test_settings_without_effect_or_sense_are_refused(options: Any) -> None:
    with pytest.raises(ValidationError):
        regression.Settings(**options)


@pytest.mark.parametrize("options", [{}, {"quantiles": [0.1, 0.9]}, {"loss": "huber", "huber_delta": 2.0}])
def test_settings_with_every_default_written_out_are_accepted(options: Any) -> None:
    """The resolved recipe of a run names every option and must read back."""
    settings = regression.Settings(**options)
    assert regression.Settings.model_validate(settings.model_dump(mode="json")) == settings


def test_constants_survive_tracing() -> None:
    """torch.export sees the statistics as constants and keeps the batch dimension free."""

    class Net(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return task(quantiles=[0.1, 0.9]).activate(x)

    free = {"x": {0: torch.export.Dim("rows")}}
    program = torch.export.export(Net(), (torch.randn(2, 4),), dynamic_shapes=free, strict=False)
    x = torch.randn(5, 4)
    assert np.allclose(program.module()(x)["quantiles"], Net()(x)["quantiles"])
