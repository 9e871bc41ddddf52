"""message_passing: any size of molecule, no matter what follows its end or in which order its atoms come."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dlw.errors import UsageError
from dlw.models import message_passing
from dlw.specs import FieldSpec, OutputSpec

SPEC = FieldSpec("graph", (9, 8), "int16", sizes=(5, 3, 6), is_ragged=True)
"""Two properties of an atom, then three neighbours."""


def network(**options: Any) -> nn.Module:
    torch.manual_seed(0)
    settings = message_passing.Settings(width=16, depth=2, **options)
    return message_passing.build(settings, {"smiles": SPEC}, OutputSpec("vector", 3))


def rings(rows: int, atoms: int = 6, steps: int = 9) -> torch.Tensor:
    """Return rings of `atoms` atoms: each is beside the one before and the one after."""
    random = np.random.default_rng(rows)
    array = np.zeros((rows, steps, 8), np.int16)
    array[:, :atoms, :2] = random.integers(1, (5, 3), (rows, atoms, 2))
    bond = random.integers(1, 6, (rows, atoms))
    for place in range(atoms):
        before, after = (place - 1) % atoms, (place + 1) % atoms
        array[:, place, 2], array[:, place, 3] = before + 1, bond[:, before]
        array[:, place, 4], array[:, place, 5] = after + 1, bond[:, place]
    return torch.from_numpy(array)


def test_every_parameter_learns() -> None:
    net = network()
    out = net({"smiles": rings(4)})
    assert out.shape == (4, 3)
    (out * torch.arange(1.0, 4.0)).square().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@pytest.mark.withstands("properties", case="P6")
def test_what_follows_the_end_does_not_matter() -> None:
    net = network().eval()
    short, long = rings(4, steps=6), rings(4, steps=20)
    assert torch.equal(short, long[:, :6])
    torch.testing.assert_close(net({"smiles": short}), net({"smiles": long}))


def test_an_empty_molecule_answers_with_finite_numbers() -> None:
    assert torch.isfinite(network().eval()({"smiles": torch.zeros(2, 2, 8, dtype=torch.int16)})).all()


def test_the_order_of_the_atoms_does_not_matter_but_their_bonds_do() -> None:
    net, one = network().eval(), rings(3, steps=6)
    turned = one.roll(2, dims=1)
    turned[:, :, 2::2] = torch.where(turned[:, :, 2::2] > 0, (turned[:, :, 2::2] + 1) % 6 + 1, 0)
    torch.testing.assert_close(net({"smiles": turned}), net({"smiles": one}))
    other = one.clone()
    other[:, 0, 3] = other[:, 5, 5] = other[:, 0, 3] % 5 + 1
    assert (net({"smiles": other}) - net({"smiles": one})).abs().max() > 1e-4


def test_overfits_one_batch() -> None:
    net = network(dropout=0)
    batch, target = {"smiles": rings(12)}, torch.arange(12) % 3
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for _ in range(150):
        loss = nn.functional.cross_entropy(net(batch), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


def test_two_molecules_are_refused() -> None:
    with pytest.raises(UsageError, match="takes one molecule input, the recipe gives 2"):
        message_passing.build(message_passing.Settings(), {"a": SPEC, "b": SPEC}, OutputSpec("vector", 1))
