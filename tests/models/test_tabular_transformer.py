"""The transformer over columns: what must hold for every choice of inputs and number embedding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional as F

from dlw.fields._statistics import describe
from dlw.models import tabular_transformer
from dlw.specs import FieldSpec, OutputSpec

ROWS = 64
INPUTS = [("number",), ("category",), ("number", "category")]
OPTIONS: list[dict[str, Any]] = [
    {"number_embedding": "piecewise_linear"},
    {"number_embedding": "periodic", "depth": 1},
    {"number_embedding": "plain", "activation": "relu", "dropout": 0.0},
]


def table(groups: tuple[str, ...]) -> tuple[dict[str, FieldSpec], dict[str, Tensor]]:
    """Return packed specs and ROWS rows with gaps."""
    random = np.random.default_rng(0)
    number = np.stack([random.normal(size=ROWS), random.lognormal(8, 3, ROWS)], axis=1).astype(np.float32)
    described = [describe(column) for column in number.T]
    number[random.random(number.shape) < 0.2] = np.nan
    statistics = {key: [column[key] for column in described] for key in described[0]}
    specs = {
        "number": FieldSpec("number", (2,), "float32", ("a", "b"), statistics=statistics),
        "category": FieldSpec("category", (3,), "int64", ("c", "d", "e"), (4, 2, 9)),
    }
    arrays = {
        "number": number,
        "category": np.stack([random.integers(0, size, ROWS) for size in (4, 2, 9)], axis=1),
    }
    return {group: specs[group] for group in groups}, {group: torch.from_numpy(arrays[group]) for group in groups}


def built(groups: tuple[str, ...], **options: Any) -> tuple[nn.Module, dict[str, Tensor]]:
    """Return a small network with 3 outputs and rows for it."""
    torch.manual_seed(0)
    specs, rows = table(groups)
    settings = tabular_transformer.Settings(**{"size": 16, "heads": 2, "depth": 2, **options})
    return tabular_transformer.build(settings, specs, OutputSpec("vector", 3)), rows


@pytest.mark.parametrize("groups", INPUTS)
@pytest.mark.parametrize("options", OPTIONS)
def test_every_input_gives_finite_answers_and_reaches_every_parameter(
    groups: tuple[str, ...], options: dict[str, Any]
) -> None:
    network, rows = built(groups, **options)
    answer = network(rows)
    assert answer.shape == (ROWS, 3)
    answer.square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_learns_one_batch_by_heart() -> None:
    network, rows = built(("number", "category"), dropout=0.0)
    target = torch.from_numpy(np.random.default_rng(1).integers(0, 3, ROWS))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(100):
        loss = F.cross_entropy(network(rows), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (network.eval()(rows).argmax(-1) == target).float().mean() > 0.97


def test_a_row_is_answered_alike_in_any_company_and_columns_differ() -> None:
    network, rows = built(("number", "category"))
    network.eval()
    alone = torch.cat([network({group: column[i : i + 1] for group, column in rows.items()}) for i in range(5)])
    torch.testing.assert_close(alone, network(rows)[:5])
    assert not torch.allclose(network({**rows, "category": rows["category"].flip(1) % 2}), network(rows))


def test_heads_must_divide_the_size() -> None:
    with pytest.raises(ValidationError, match="size 64 is not a multiple of heads 5"):
        tabular_transformer.Settings(heads=5)


@pytest.mark.parametrize("options", OPTIONS)
def test_exported_graph_agrees_at_any_number_of_rows(options: dict[str, Any]) -> None:
    network, rows = built(("number", "category"), **options)
    network.eval()
    free = {group: {0: torch.export.Dim("rows")} for group in rows}
    program = torch.export.export(network, ({group: t[:2] for group, t in rows.items()},), dynamic_shapes=(free,))
    for count in (1, 2, 7):
        some = {group: column[:count] for group, column in rows.items()}
        torch.testing.assert_close(program.module()(some), network(some))
