"""unet: any size and channel count, every parameter learns, things stay where they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from dlw.errors import UsageError
from dlw.models import unet
from dlw.specs import FieldSpec, OutputSpec


def network(shape: tuple[int, ...] = (1, 8, 8), kind: str = "map", **options: Any) -> nn.Module:
    """A small network, the same at every call."""
    torch.manual_seed(0)
    inputs = {
        "image": FieldSpec("image", shape, "uint8", statistics={"mean": [100.0] * shape[0], "std": [60.0] * shape[0]})
    }
    options = {"widths": [8, 12], "depths": [1, 1], **options}
    return unet.build(unet.Settings(**options), inputs, OutputSpec(kind, 3))


def pictures(shape: tuple[int, ...], rows: int) -> torch.Tensor:
    """Random raw pixels."""
    return torch.from_numpy(np.random.default_rng(rows).integers(0, 256, (rows, *shape), dtype=np.uint8))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 33, 47), (2, 16, 64), (4, 5, 2), (1, 1, 1)])
@pytest.mark.parametrize(
    "options", [{}, {"stride": 4, "squeeze_excite": True}, {"stride": 2, "depths": [1, 2], "block": "bottleneck"}]
)
def test_every_size_gives_a_map_and_a_gradient_to_every_parameter(
    shape: tuple[int, ...], options: dict[str, Any]
) -> None:
    net = network(shape, **options)
    for norm in (module for module in net.modules() if isinstance(module, nn.BatchNorm2d)):
        nn.init.ones_(norm.weight)  # branches start as zero, which would hide a layer that is not connected
    out = net({"image": pictures(shape, 4)})
    assert out.shape == (4, 3, *shape[1:])
    (out * torch.arange(1.0, 4.0)[:, None, None]).square().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()] == []


@pytest.mark.parametrize("stride", [1, 2])
def test_overfits_one_batch_pixel_by_pixel(stride: int) -> None:
    """The class of a pixel is whether it is bright, in blocks of the stride: half a cell off would be 25 % wrong."""
    net = network((1, 12, 20), stride=stride)
    image = pictures((1, 6, 10), 4).repeat_interleave(2, 2).repeat_interleave(2, 3)
    target = (image[:, 0] > 127).long()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.3, momentum=0.9)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net({"image": image}), target).backward()
        optimizer.step()
    assert (net({"image": image}).argmax(1) == target).float().mean() > 0.97


def test_bias_starts_where_the_task_says_and_stages_agree() -> None:
    spec = FieldSpec("image", (1, 8, 8), "uint8", statistics={"mean": [100.0], "std": [60.0]})
    net = unet.build(unet.Settings(), {"image": spec}, OutputSpec("map", 2, start=(0.5, -1.5)))
    assert dict(net.named_parameters())["output.bias"].tolist() == [0.5, -1.5]
    with pytest.raises(ValidationError, match="widths names 2 stages and depths 1"):
        unet.Settings(widths=[8, 16], depths=[1])


def top_odds(out: torch.Tensor, count: int) -> torch.Tensor:
    """Return the mean of the greatest log-odds of each class, as a network answers that has seen no picture."""
    p = out.softmax(1).flatten(2)
    return (p / (1 - p)).log().sort(2, descending=True).values[..., :count].mean(2) / (1 + 1e-5) ** 0.5


def test_a_picture_is_what_its_top_places_say() -> None:
    whole, places = network(kind="vector", top_share=0.1).eval(), network().eval()
    whole.network.load_state_dict(places.state_dict())
    image = pictures((1, 8, 8), 2)
    torch.testing.assert_close(whole({"image": image}), top_odds(places({"image": image}), 6))
    out = network(kind="vector")({"image": pictures((1, 8, 8), 4)})
    out.square().sum().backward()
    assert out.shape == (4, 3)


def test_a_place_that_is_sure_stays_finite() -> None:
    net = network(kind="vector").eval()
    torch.nn.init.constant_(net.network.output.bias, 0.0)
    with torch.no_grad():
        net.network.output.bias[1] = 1000.0
    out = net({"image": pictures((1, 8, 8), 2)})
    assert out.isfinite().all()
    assert (out[:, 1] - 1000).abs().max() < 10


def test_pictures_are_told_apart_by_how_much_their_top_places_say() -> None:
    """From the first step on, however little that differs; one picture alone learns by what was seen before."""
    net = network(kind="vector", top_share=0.1)
    out = net({"image": pictures((1, 8, 8), 16)})
    torch.testing.assert_close(out.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(out.std(0, correction=0), torch.ones(3), atol=0.05, rtol=0)
    assert net({"image": pictures((1, 8, 8), 1)}).isfinite().all()


def test_of_the_background_no_place_counts() -> None:
    """However sure it is: the others are read at their own places, against a constant."""
    net = network(kind="vector", top_share=0.1, background=1).eval()
    image = pictures((1, 8, 8), 2)
    most = top_odds(net.network({"image": image}), 6)
    torch.testing.assert_close(net({"image": image}), torch.stack([most[:, 0], torch.zeros(2), most[:, 2]], dim=1))
    with pytest.raises(UsageError, match="background: 3 is not one of 3 classes"):
        network(kind="vector", background=3)
    with pytest.raises(UsageError, match="background: is for one answer per picture"):
        network(background=0)


def test_a_single_output_is_refused() -> None:
    """There is nothing to compare places by: every answer would be the same."""
    spec = FieldSpec("image", (1, 8, 8), "uint8", statistics={"mean": [100.0], "std": [60.0]})
    with pytest.raises(UsageError, match="one output"):
        unet.build(unet.Settings(), {"image": spec}, OutputSpec("vector", 1))
