"""Networks over steps: any length, no answer depends on the fill, every parameter learns, exports run the same cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from dlw import registry
from dlw.errors import UsageError
from dlw.models._recurrent import Recurrent
from dlw.models._steps import Pool
from dlw.ragged import stack
from dlw.specs import FieldSpec, OutputSpec

TOKENS = FieldSpec("tokens", (12,), "int32", ("text",), sizes=(30,), is_ragged=True)
SERIES = FieldSpec(
    "series", (12, 2), "float32", ("text",), statistics={"mean": [0.0, 1.0], "std": [1.0, 2.0]}, is_ragged=True
)
CASES: list[tuple[str, FieldSpec, dict[str, Any]]] = [
    ("ngram_bag", TOKENS, {"width": 8, "longest": 3, "buckets": 50, "depth": 1, "hidden": 8}),
    ("ngram_bag", TOKENS, {"width": 8, "shortest": 2, "longest": 2, "buckets": 50, "pool": "attention"}),
    ("rnn", TOKENS, {"embedding": 8, "width": 8, "depth": 2}),
    ("rnn", TOKENS, {"embedding": 8, "width": 8, "cell": "gru", "bidirectional": False, "pool": "max"}),
    ("rnn", SERIES, {"embedding": 8, "width": 8, "cell": "gru", "pool": "mean"}),
    ("transformer", TOKENS, {"width": 16, "heads": 2, "depth": 2}),
    ("transformer", TOKENS, {"width": 16, "heads": 2, "depth": 1, "pool": "first"}),
]


def network(model: str, spec: FieldSpec, **options: Any) -> nn.Module:
    """A small network with no branch that starts as zero, the same at every call."""
    torch.manual_seed(0)
    plugin = registry.load("models", model)
    net: nn.Module = plugin.build(plugin.Settings(**options), {"text": spec}, OutputSpec("vector", 3))
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.3) if parameter.ndim > 1 else parameter.data.add_(0.1)
    return net


def rows(spec: FieldSpec, lengths: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    random = np.random.default_rng(seed)
    if spec.kind == "tokens":
        return torch.from_numpy(stack([random.integers(1, 30, n).astype(np.int32) for n in lengths], "tokens", "int32"))
    values = [random.normal(size=(n, 2)).astype(np.float32) for n in lengths]
    return torch.from_numpy(stack(values, "series", "float32", (2,)))


@pytest.mark.parametrize(("model", "spec", "options"), CASES)
def test_every_length_gives_an_answer_and_a_gradient_to_every_parameter(
    model: str, spec: FieldSpec, options: dict[str, Any]
) -> None:
    net = network(model, spec, **options)
    out = net({"text": rows(spec, (1, 0, 12, 40))})
    assert out.shape == (4, 3)
    (out * torch.arange(1.0, 4.0)).square().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()] == []
    assert [name for name, p in net.named_parameters() if not p.grad.abs().sum() > 0] == []


@pytest.mark.withstands("properties", case="P6")
@pytest.mark.parametrize(("model", "spec", "options"), CASES)
def test_nothing_depends_on_the_fill_or_on_other_rows(model: str, spec: FieldSpec, options: dict[str, Any]) -> None:
    net = network(model, spec, **options).eval()
    batch = rows(spec, (3, 0, 7))
    fill = torch.full((3, 9, *batch.shape[2:]), 0 if spec.kind == "tokens" else torch.nan, dtype=batch.dtype)
    wanted = net({"text": batch})
    torch.testing.assert_close(net({"text": torch.cat([batch, fill], dim=1)}), wanted, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(net({"text": batch[:1, :3]}), wanted[:1], atol=1e-6, rtol=1e-5)
    assert torch.isfinite(wanted).all()


@pytest.mark.parametrize(("model", "spec", "options"), CASES)
def test_the_order_of_steps_matters(model: str, spec: FieldSpec, options: dict[str, Any]) -> None:
    net = network(model, spec, **options).eval()
    batch = rows(spec, (5, 6))
    assert (net({"text": batch[1:]}) - net({"text": batch[1:].flip(1)})).abs().max() > 1e-4


@pytest.mark.parametrize(("model", "spec", "options"), CASES)
def test_learns_one_batch_by_heart(model: str, spec: FieldSpec, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    plugin = registry.load("models", model)
    net = plugin.build(plugin.Settings(**options, dropout=0.0), {"text": spec}, OutputSpec("vector", 3))
    batch, target = {"text": rows(spec, (3, 5, 2, 8, 12, 7))}, torch.arange(6) % 3
    optimizer = torch.optim.Adam(net.parameters(), lr=0.03)
    for _ in range(60):
        loss = nn.functional.cross_entropy(net(batch), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_exported_cell_is_the_trained_one(cell: str) -> None:
    torch.manual_seed(0)
    layer = Recurrent(cell, 3, 5)
    x_BTD = torch.randn(2, 6, 3)
    with torch.no_grad():
        torch.testing.assert_close(layer._scanned(x_BTD), layer(x_BTD), atol=1e-6, rtol=1e-5)


def test_recurrent_weights_start_orthogonal() -> None:
    weight = Recurrent("lstm", 3, 5).layer.weight_hh_l0.detach().unflatten(0, (4, 5))
    torch.testing.assert_close(weight @ weight.transpose(1, 2), torch.eye(5).expand(4, 5, 5))


@pytest.mark.parametrize("kind", ["mean", "max", "attention"])
def test_a_row_without_steps_becomes_zeros(kind: str) -> None:
    pooled = Pool(kind, 4)(torch.randn(2, 3, 4), torch.tensor([[True, True, False], [False] * 3]))
    assert (pooled[1] == 0).all()
    assert (pooled[0] != 0).all()


def test_columns_lie_beside_a_text() -> None:
    plugin = registry.load("models", "ngram_bag")
    number = FieldSpec(
        "number", (1,), "float32", ("n",), statistics={"mean": [0.0], "std": [1.0], "edges": [[0.0, 1.0]]}
    )
    net = plugin.build(plugin.Settings(width=4), {"text": TOKENS, "number": number}, OutputSpec("vector", 2)).eval()
    batch = {"text": rows(TOKENS, (3, 4)), "number": torch.tensor([[0.2], [0.7]])}
    assert (net(batch) - net({**batch, "number": batch["number"].flip(0)})).abs().max() > 0


def test_what_does_not_fit_is_refused() -> None:
    for model, inputs in (("rnn", {"a": TOKENS, "b": TOKENS}), ("transformer", {})):
        plugin = registry.load("models", model)
        with pytest.raises(UsageError, match=f"model {model} takes exactly one input"):
            plugin.build(plugin.Settings(), inputs, OutputSpec("vector", 1))
    with pytest.raises(ValidationError, match="shortest 3 is above longest 2"):
        registry.load("models", "ngram_bag").Settings(shortest=3)
    with pytest.raises(ValidationError, match="width 12 must be a multiple of 2 x heads 8"):
        registry.load("models", "transformer").Settings(width=12, heads=8)
