"""The fused optimizers against torch.optim."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from dlw.engine import optimizers
from dlw.recipe.schema import SGD, AdamW, Muon


def _network() -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 36, 16), nn.ReLU(), nn.Linear(16, 4))
    return network.to(memory_format=torch.channels_last)


def _reference(settings: AdamW | SGD, network: nn.Module) -> torch.optim.Optimizer:
    named = dict(network.named_parameters())
    decayed = [p for name, p in named.items() if optimizers.decays(name, p)]
    spared = [p for name, p in named.items() if not optimizers.decays(name, p)]
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": spared, "weight_decay": 0.0}]
    if isinstance(settings, AdamW):
        return torch.optim.AdamW(groups, lr=settings.lr, betas=settings.betas, eps=settings.eps, fused=True)
    return torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum, nesterov=settings.nesterov, fused=True)


@pytest.mark.parametrize("settings", [AdamW(lr=1e-2), SGD(lr=1e-2), SGD(lr=1e-2, nesterov=False)], ids=str)
def test_equals_torch_bit_for_bit(settings: AdamW | SGD) -> None:
    ours, theirs = _network(), _network()
    mine, reference = optimizers.build(settings, ours), _reference(settings, theirs)
    for step in range(5):
        images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(step))
        for network in (ours, theirs):
            network(images).square().mean().backward()
        mine.step(1.0)
        reference.step()
        reference.zero_grad()
    for (name, left), right in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.equal(left, right), name


def test_muon_updates_flattened_kernels_in_place() -> None:
    network = _network()
    before = copy.deepcopy(network.state_dict())
    optimizer = optimizers.build(Muon(lr=0.02), network)
    network(torch.randn(4, 3, 8, 8)).square().mean().backward()
    optimizer.step(1.0)
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == set(before)
    # Four rows give a gradient of rank four; orthogonalised, the update is about equally long in each direction.
    moved = torch.linalg.svdvals(network.state_dict()["2.weight"] - before["2.weight"])
    assert moved[0] < 4 * moved[3]


@pytest.mark.parametrize("settings", [AdamW(), SGD(), Muon()], ids=str)
def test_state_is_live_and_complete(settings: AdamW | SGD | Muon) -> None:
    images = torch.randn(4, 3, 8, 8)
    straight, stopped = _network(), _network()
    optimizer = optimizers.build(settings, straight)
    for _ in range(2):
        straight(images).square().mean().backward()
        optimizer.step(1.0)

    first = optimizers.build(settings, stopped)
    stopped(images).square().mean().backward()
    first.step(1.0)
    second = optimizers.build(settings, stopped)
    with torch.no_grad():
        for name, tensor in second.state().items():
            tensor.copy_(first.state()[name])
    stopped(images).square().mean().backward()
    second.step(1.0)
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), stopped.parameters(), strict=True))
