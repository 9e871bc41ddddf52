"""resnet: any size and channel count, every parameter learns, exports keep a free batch axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from dlw.errors import UsageError
from dlw.models import resnet
from dlw.specs import FieldSpec, OutputSpec

SIZES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 65, 47), (2, 64, 64), (1, 1, 1)]


def spec(shape: tuple[int, ...]) -> FieldSpec:
    """An image field's spec with plausible statistics."""
    return FieldSpec("image", shape, "uint8", statistics={"mean": [100.0] * shape[0], "std": [60.0] * shape[0]})


def network(shape: tuple[int, ...] = (1, 8, 8), size: int = 3, **options: Any) -> nn.Module:
    """A small network, the same at every call."""
    torch.manual_seed(0)
    options = {"widths": [8, 12], "depths": [1, 1], **options}
    return resnet.build(resnet.Settings(**options), {"image": spec(shape)}, OutputSpec("vector", size))


def pictures(shape: tuple[int, ...], rows: int) -> torch.Tensor:
    """Random raw pixels."""
    return torch.from_numpy(np.random.default_rng(rows).integers(0, 256, (rows, *shape), dtype=np.uint8))


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stem": "large", "block": "bottleneck", "pool": "places"},
        {"squeeze_excite": True, "first_stride": 2, "pool": "max"},
        {"pool": "places", "standardise": "picture"},
    ],
)
def test_every_size_gives_an_answer_and_a_gradient_to_every_parameter(
    shape: tuple[int, ...], options: dict[str, Any]
) -> None:
    net = network(shape, **options)
    for norm in (module for module in net.modules() if isinstance(module, nn.BatchNorm2d)):
        nn.init.ones_(norm.weight)  # branches start as zero, which would hide a layer that is not connected
    out = net({"image": pictures(shape, 4)})
    assert out.shape == (4, 3)
    (out * torch.arange(1.0, 4.0)).square().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()] == []


def test_stem_auto_is_large_from_64_pixels_on() -> None:
    strides = {size: network((1, size, size)).stem(torch.zeros(2, 1, size, size)).shape[-1] for size in (63, 64)}
    assert strides == {63: 63, 64: 16}


def test_branches_start_as_zero() -> None:
    net = network(widths=[8], depths=[1], stem_width=8).eval()
    x = torch.randn(2, 8, 5, 5)
    torch.testing.assert_close(net.blocks[0](x), x.relu())


def test_pixels_are_standardised_inside_and_a_constant_channel_is_harmless() -> None:
    statistics = {"mean": [10.0, 7.0], "std": [5.0, 0.0]}
    inputs = {"image": FieldSpec("image", (2, 1, 1), "uint8", statistics=statistics)}
    net = resnet.build(resnet.Settings(), inputs, OutputSpec("vector", 1))
    values = net.standardise(torch.tensor([[[[20]], [[7]]]], dtype=torch.uint8))
    assert values.flatten().tolist() == [2.0, 0.0]


def test_a_picture_standardised_by_itself_knows_no_exposure() -> None:
    net = network((2, 8, 8), standardise="picture").eval()
    dark = torch.from_numpy(np.random.default_rng(0).integers(0, 60, (3, 2, 8, 8), dtype=np.uint8))
    torch.testing.assert_close(net({"image": dark}), net({"image": 3 * dark + 20}))
    assert torch.isfinite(net({"image": torch.zeros(1, 2, 8, 8, dtype=torch.uint8)})).all()


def test_bias_starts_where_the_task_says() -> None:
    net = resnet.build(resnet.Settings(), {"image": spec((1, 8, 8))}, OutputSpec("vector", 2, start=(0.5, -1.5)))
    assert net.output.bias.tolist() == [0.5, -1.5]


def test_overfits_one_batch() -> None:
    net = network((1, 8, 8), size=4)
    batch, target = {"image": pictures((1, 8, 8), 16)}, torch.arange(16) % 4
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for _ in range(80):
        loss = nn.functional.cross_entropy(net(batch), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


def test_widths_and_depths_must_agree() -> None:
    with pytest.raises(ValidationError, match="widths names 2 stages and depths 3"):
        resnet.Settings(widths=[8, 16], depths=[1, 1, 1])


def test_other_inputs_are_refused_with_their_names() -> None:
    age = FieldSpec("number", (1,), "float32", columns=("age",))
    with pytest.raises(UsageError, match=r"exactly one image input, the recipe gives image \(image\), number"):
        resnet.build(resnet.Settings(), {"image": spec((1, 8, 8)), "number": age}, OutputSpec("vector", 1))
