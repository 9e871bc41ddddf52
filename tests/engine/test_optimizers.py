"""The fused optimizers against torch.optim."""

from __future__ import annotations

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


@pytest.mark.parametrize(
    "settings",
    [AdamW(lr=1e-2), SGD(lr=1e-2), SGD(lr=1e-2, nesterov=False), SGD(lr=1e-2, momentum=0, nesterov=False)],
    ids=str,
)
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


def test_muon_takes_the_step_of_torch_on_every_kernel() -> None:
    ours, theirs = _network(), _network()
    settings = Muon(lr=0.02, weight_decay=0.1)
    mine = optimizers.build(settings, ours)
    images = torch.randn(256, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    for network in (ours, theirs):
        network(images).square().mean().backward()
    mine.step(1.0)
    for (name, moved), source in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        if not optimizers.decays(name, source):
            continue
        flat = nn.Parameter(source.detach().flatten(1).clone())
        assert source.grad is not None
        flat.grad = source.grad.flatten(1)
        torch.optim.Muon([flat], lr=settings.lr, momentum=settings.momentum, weight_decay=0.1).step()
        step, expected = (
            moved.detach().flatten(1) - source.detach().flatten(1),
            flat.detach() - source.detach().flatten(1),
        )
        assert (step - expected).norm() < 0.2 * expected.norm(), name  # torch works in bfloat16


@pytest.mark.parametrize("shape", [(16, 40), (40, 16), (5, 5)])
def test_orthogonalising_equals_the_plain_iteration_in_double_precision(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    wide = (matrix if shape[0] <= shape[1] else matrix.T).double()
    expected = wide / wide.norm()
    for _ in range(5):
        gram = expected @ expected.T
        expected = 3.4445 * expected - 4.7750 * gram @ expected + 2.0315 * gram @ gram @ expected
    found = optimizers.orthogonalise(matrix).double()
    assert torch.allclose(found if shape[0] <= shape[1] else found.T, expected, atol=1e-4)


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
