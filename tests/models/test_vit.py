"""vit: any size and channel count, every parameter learns, positions matter, exports keep a free batch axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from dlw.errors import UsageError
from dlw.models import vit
from dlw.specs import FieldSpec, OutputSpec

SIZES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 65, 47)]


def network(shape: tuple[int, ...] = (1, 8, 8), size: int = 3, **options: Any) -> nn.Module:
    """A small network with branches that do not start as zero, the same at every call."""
    torch.manual_seed(0)
    options = {"width": 16, "depth": 2, "heads": 2, **options}
    statistics = {"mean": [100.0] * shape[0], "std": [60.0] * shape[0]}
    inputs = {"image": FieldSpec("image", shape, "uint8", statistics=statistics)}
    net = vit.build(vit.Settings(**options), inputs, OutputSpec("vector", size))
    for layer in net.layers:
        nn.init.normal_(layer.attention.mix.weight, std=0.2)
        nn.init.normal_(layer.mlp[-1].weight, std=0.2)
    nn.init.normal_(net.output.weight)
    return net


def pictures(shape: tuple[int, ...], rows: int) -> torch.Tensor:
    """Random raw pixels."""
    return torch.from_numpy(np.random.default_rng(rows).integers(0, 256, (rows, *shape), dtype=np.uint8))


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("positions", ["rope", "learned"])
def test_every_size_gives_an_answer_and_a_gradient_to_every_parameter(shape: tuple[int, ...], positions: str) -> None:
    net = network(shape, positions=positions)
    out = net({"image": pictures(shape, 4)})
    assert out.shape == (4, 3)
    (out * torch.arange(1.0, 4.0)).square().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@pytest.mark.parametrize("positions", ["rope", "learned"])
def test_the_place_of_a_patch_matters(positions: str) -> None:
    net = network(positions=positions)
    if net.position_ND is not None:
        nn.init.normal_(net.position_ND)
    image = pictures((1, 8, 8), 2)
    assert (net({"image": image}) - net({"image": image.roll(4, dims=-1)})).abs().max() > 1e-3


def test_bf16_autocast_stays_near_float32() -> None:
    net, image = network(), pictures((1, 8, 8), 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = net({"image": image})
    torch.testing.assert_close(out.float(), net({"image": image}), atol=0.2, rtol=0.05)


def test_overfits_one_batch() -> None:
    net = network(size=4)
    batch, target = {"image": pictures((1, 8, 8), 16)}, torch.arange(16) % 4
    optimizer = torch.optim.SGD(net.parameters(), lr=0.03, momentum=0.9)
    for _ in range(80):
        loss = nn.functional.cross_entropy(net(batch), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


def test_width_must_fit_the_heads() -> None:
    with pytest.raises(ValidationError, match="width 20 must be a multiple of 4 x heads 2"):
        vit.Settings(width=20, heads=2)


def test_other_inputs_are_refused() -> None:
    with pytest.raises(UsageError, match="model vit takes exactly one image input, the recipe gives none"):
        vit.build(vit.Settings(), {}, OutputSpec("vector", 1))
