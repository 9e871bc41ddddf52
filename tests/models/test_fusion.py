"""fusion: both sides reach the answer, every parameter learns, the picture's side may keep places apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dlw.errors import UsageError
from dlw.models import fusion
from dlw.specs import FieldSpec, OutputSpec

SPECS = {
    "camera": FieldSpec("image", (3, 18, 26), "uint8", statistics={"mean": [90.0] * 3, "std": [50.0] * 3}),
    "number": FieldSpec(
        "number",
        (2,),
        "float32",
        ("speed", "load"),
        statistics={"mean": [0.0] * 2, "std": [1.0] * 2, "edges": [[-1.0, 0.0, 1.0]] * 2},
    ),
    "category": FieldSpec("category", (1,), "int64", ("road",), sizes=(4,)),
}


def network(**options: Any) -> nn.Module:
    """A small network, the same at every call."""
    torch.manual_seed(0)
    options = {"widths": [4, 8], "depths": [1, 1], "width": 8, "picture_size": 6, **options}
    return fusion.build(fusion.Settings(**options), SPECS, OutputSpec("vector", 2, start=(0.5, -0.5)))


def rows(count: int) -> dict[str, torch.Tensor]:
    """Random rows, a gap in the first."""
    random = np.random.default_rng(count)
    number = random.normal(size=(count, 2)).astype(np.float32)
    number[0, 0] = np.nan
    return {
        "camera": torch.from_numpy(random.integers(0, 256, (count, 3, 18, 26), dtype=np.uint8)),
        "number": torch.from_numpy(number),
        "category": torch.from_numpy(random.integers(0, 4, (count, 1))),
    }


@pytest.mark.parametrize("options", [{}, {"pool": "places", "depth": 2, "number_embedding": "plain"}])
def test_every_parameter_gets_a_gradient(options: dict[str, Any]) -> None:
    net = network(**options)
    for norm in (module for module in net.modules() if isinstance(module, nn.BatchNorm2d)):
        nn.init.ones_(norm.weight)  # branches start as zero, which would hide a layer that is not connected
    out = net(rows(5))
    assert out.shape == (5, 2)
    (out * torch.tensor([1.0, 2.0])).square().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()] == []


@pytest.mark.parametrize("group", SPECS)
def test_each_input_changes_the_answer(group: str) -> None:
    net = network().eval()
    nn.init.normal_(net.entries[1].embedding.weight)
    before, other = rows(6), rows(6)
    other[group] = other[group].flip(0)
    assert not torch.allclose(net(before), net(other))


def test_overfits_one_batch() -> None:
    net, batch = network(dropout=0.0), rows(16)
    target = torch.randn(16, 2, generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(150):
        loss = (net(batch) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


@pytest.mark.parametrize("names", [("camera",), ("number", "category")])
def test_one_side_alone_is_refused(names: tuple[str, ...]) -> None:
    inputs = {name: SPECS[name] for name in names}
    with pytest.raises(UsageError, match="one image input and columns beside it, the recipe gives"):
        fusion.build(fusion.Settings(), inputs, OutputSpec("vector", 1))
