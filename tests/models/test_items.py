"""sequential and two_tower: causal, blind to what follows a history's end, never answering what was seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dlw import registry
from dlw.errors import UsageError
from dlw.ragged import stack
from dlw.specs import LOWEST, FieldSpec, OutputSpec

ITEMS = FieldSpec("tokens", (9,), "int32", sizes=(21,), is_ragged=True)
USERS = FieldSpec("category", (1,), "int64", ("user",), sizes=(5,))
MODELS = ("sequential", "two_tower")


def network(model: str, *, is_new_only: bool = True, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    module = registry.load("models", model)
    settings = module.Settings(width=16, dropout=0, window=6, **options)
    inputs = {"history": ITEMS, **({"category": USERS} if model == "two_tower" else {})}
    net: nn.Module = module.build(settings, inputs, OutputSpec("items", 20, is_new_only=is_new_only))
    nn.init.normal_(net.items.embedding.weight[1:])
    return net


def batch(*lengths: int, steps: int = 9) -> dict[str, torch.Tensor]:
    random = np.random.default_rng(0)
    rows = [random.permutation(20)[:length].astype(np.int32) + 1 for length in lengths]
    items = np.zeros((len(rows), steps), np.int32)
    found = stack(rows, "tokens", "int32")
    items[:, : found.shape[1]] = found
    return {"history": torch.from_numpy(items), "category": torch.arange(len(rows)).unsqueeze(1) % 5}


@pytest.mark.parametrize("model", MODELS)
def test_every_parameter_learns(model: str) -> None:
    net = network(model).train()
    out = net(batch(6, 3, steps=6))
    assert out.shape == (2, 6, 20)
    (out * torch.randn(20)).square().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@pytest.mark.parametrize("model", MODELS)
def test_a_step_sees_nothing_that_comes_after_it(model: str) -> None:
    net = network(model).train()
    one = batch(6, steps=6)
    other = {**one, "history": one["history"].clone()}
    other["history"][0, 3] = 21 - other["history"][0, 3]
    difference = (net(one) - net(other)).abs().amax(2)[0]
    assert difference[:3].max() == 0
    assert (difference[3:] > 1e-4).all()


@pytest.mark.parametrize("model", MODELS)
def test_the_answer_is_that_of_the_last_step(model: str) -> None:
    net = network(model, is_new_only=False)
    rows = batch(6, 4, steps=6)
    steps = net.train()(rows)
    torch.testing.assert_close(net.eval()(rows), torch.stack([steps[0, 5], steps[1, 3]]))


@pytest.mark.withstands("properties", case="P6")
@pytest.mark.parametrize("model", MODELS)
def test_what_follows_the_end_does_not_matter(model: str) -> None:
    net = network(model).eval()
    for lengths in ((2, 1, 0), (5, 2, 1), (9, 8, 0)):
        short, long = batch(*lengths, steps=max(lengths)), batch(*lengths, steps=25)
        torch.testing.assert_close(net(short), net(long))


@pytest.mark.parametrize("model", MODELS)
def test_items_of_the_whole_history_are_never_answered(model: str) -> None:
    net, rows = network(model).eval(), batch(9, 0)
    score = net(rows)
    seen = rows["history"][0].long() - 1
    assert (score[0, seen] == LOWEST).all()
    assert (score > LOWEST).sum(1).tolist() == [11, 20]


@pytest.mark.parametrize("model", MODELS)
def test_only_the_window_is_looked_at(model: str) -> None:
    net, rows = network(model, is_new_only=False).eval(), batch(9)
    torch.testing.assert_close(net(rows), net({**rows, "history": rows["history"][:, 3:]}))


def test_other_items_are_refused() -> None:
    module = registry.load("models", "sequential")
    with pytest.raises(UsageError, match="history knows 20 items, 7 are to be scored"):
        module.build(module.Settings(), {"history": ITEMS}, OutputSpec("items", 7))
