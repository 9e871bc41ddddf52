"""factorization: biases and products of pairs by hand, histories as SVD++ has them, gaps and unknown values neutral."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
import torch
from torch import nn

from dlw.models import factorization
from dlw.specs import FieldSpec, OutputSpec

SPECS = {
    "category": FieldSpec("category", (2,), "int64", ("user", "item"), sizes=(4, 5)),
    "history": FieldSpec("tokens", (4,), "int32", sizes=(5,), is_ragged=True),
    "number": FieldSpec(
        "number", (1,), "float32", ("age",), statistics={"mean": [0.0], "std": [1.0], "edges": [[-1.0, 0.0, 1.0]]}
    ),
}
BATCH = {
    "category": torch.tensor([[1, 2], [3, 4]]),
    "history": torch.tensor([[1, 2, 4, 0], [3, 0, 0, 0]], dtype=torch.int32),
    "number": torch.tensor([[0.5], [float("nan")]]),
}


def network(names: tuple[str, ...], **options: Any) -> Any:
    torch.manual_seed(0)
    settings = factorization.Settings(width=6, dropout=0, **options)
    net = factorization.build(settings, {name: SPECS[name] for name in names}, OutputSpec("vector", 2))
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.3)
    return net


@pytest.mark.parametrize("names", [("category",), ("category", "history"), ("category", "history", "number")])
def test_the_answer_is_the_sum_of_biases_and_of_products_of_all_pairs(names: tuple[str, ...]) -> None:
    net = network(names)
    bias, vector = (
        torch.cat([layers[name](BATCH[name]) for name in names], dim=1) for layers in (net.biases, net.vectors)
    )
    pairs = [vector[:, one] * vector[:, other] for one, other in combinations(range(vector.shape[1]), 2)]
    torch.testing.assert_close(net(BATCH), bias.sum(1) + net.mix(torch.stack(pairs).sum(0)))


def test_every_parameter_learns() -> None:
    net = network(tuple(SPECS), hidden=8)
    net(BATCH).square().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_a_history_is_its_sum_over_the_root_of_its_length() -> None:
    net = network(("category", "history"))
    table = net.vectors["history"].table
    torch.testing.assert_close(net.vectors["history"](BATCH["history"])[0, 0], table[[1, 2, 4]].sum(0) / 3**0.5)
    longer = torch.cat([BATCH["history"], torch.zeros(2, 3, dtype=torch.int32)], dim=1)
    torch.testing.assert_close(net({**BATCH, "history": longer}), net(BATCH))
    assert net.vectors["history"](torch.zeros(1, 2, dtype=torch.int32)).abs().sum() == 0


def test_unknown_values_begin_as_nothing() -> None:
    torch.manual_seed(0)
    net = factorization.build(
        factorization.Settings(), {"category": SPECS["category"]}, OutputSpec("vector", 1, start=(3.5,))
    )
    assert net({"category": torch.zeros(1, 2, dtype=torch.int64)}).tolist() == [[3.5]]
