"""detector: any size and channel count, every parameter learns, places lie where they say, one batch is learned."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from dlw.engine.inference import activate
from dlw.metrics import map50
from dlw.metrics._base import value_of
from dlw.models import detector
from dlw.models._detector import PRIOR
from dlw.specs import FieldSpec, OutputSpec
from dlw.tasks import detection

SIZES = [(3, 64, 96), (1, 50, 31), (3, 33, 129), (2, 8, 8), (1, 1, 1)]
SMALL: dict[str, Any] = {"widths": [8, 12, 16], "depths": [1, 1, 1], "neck_width": 8, "head_depth": 1}
STEPS = 100


def network(shape: tuple[int, ...], classes: int = 2, **options: Any) -> nn.Module:
    """A small network, the same at every call."""
    torch.manual_seed(0)
    spec = FieldSpec("image", shape, "uint8", statistics={"mean": [100.0] * shape[0], "std": [60.0] * shape[0]})
    settings = detector.Settings(**{**SMALL, **options})
    return detector.build(settings, {"image": spec}, OutputSpec("points", classes))


def pictures(shape: tuple[int, ...], rows: int) -> torch.Tensor:
    """Random raw pixels."""
    return torch.from_numpy(np.random.default_rng(rows).integers(0, 256, (rows, *shape), dtype=np.uint8))


@pytest.mark.parametrize("shape", SIZES)
def test_every_size_gives_an_answer_and_a_gradient_to_every_parameter(shape: tuple[int, ...]) -> None:
    net = network(shape)
    for norm in (module for module in net.modules() if isinstance(module, nn.BatchNorm2d)):
        nn.init.ones_(norm.weight)  # branches start as zero, which would hide a layer that is not connected
    out = net({"image": pictures(shape, 3)})
    num_places = sum(math.ceil(shape[1] / stride) * math.ceil(shape[2] / stride) for stride in (4, 8, 16))
    assert out.shape == (3, num_places, 7 + 2)
    assert out.dtype == torch.float32
    (out * torch.linspace(1, 2, out.numel()).reshape(out.shape)).square().mean().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()] == []


def test_places_lie_in_the_middle_of_their_square_and_in_their_box() -> None:
    out = network((3, 20, 36)).eval()({"image": pictures((3, 20, 36), 1)})[0]
    finest = out[out[:, 2] == 4.0]
    assert finest[:10, :2].tolist() == [*[[2.0 + 4 * x, 2.0] for x in range(9)], [2.0, 6.0]]
    assert out[out[:, 2] == 16.0][:, :2].tolist() == [[8, 8], [24, 8], [40, 8], [8, 24], [24, 24], [40, 24]]
    assert (out[:, 3:5] < out[:, :2]).all()
    assert (out[:, 5:7] > out[:, :2]).all()


def test_a_new_network_finds_everything_improbable() -> None:
    logits = network((3, 64, 64))({"image": pictures((3, 64, 64), 2)})[..., 7:]
    assert logits.sigmoid().mean().item() == pytest.approx(PRIOR, rel=0.2)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"depths": [1, 1]}, "widths names 3 stages and depths 2"),
        ({"strides": [4, 8]}, r"the stages have the strides \[4, 8, 16\]; strides must be the last of these"),
    ],
)
def test_stages_must_agree(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        detector.Settings(**{**SMALL, **options})


def test_strides_are_those_of_the_last_stages() -> None:
    assert detector.Settings().used_strides == [8, 16, 32]
    assert detector.Settings(**SMALL, strides=[16]).used_strides == [16]


def rectangles(rows: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return noisy pictures with up to 4 bright or dark rectangles that may touch, and their boxes [B, 4, 5]."""
    random = np.random.default_rng(0)
    image = random.integers(90, 110, (rows, 1, side, side), dtype=np.uint8)
    boxes = np.full((rows, 4, 5), -1, np.float32)
    for row in range(rows):
        for place in range(random.integers(1, 5)):
            label, (width, height) = random.integers(2), random.integers(8, 25, 2)
            left, top = random.integers(0, side - width), random.integers(0, side - height)
            image[row, 0, top : top + height, left : left + width] = (20, 230)[label]
            boxes[row, place] = label, left, top, left + width, top + height
    return torch.from_numpy(image), torch.from_numpy(boxes)


def test_learns_eight_pictures_by_heart() -> None:
    image, boxes = rectangles(8, 48)
    target = FieldSpec("boxes", (4, 5), "float32", labels=("dark", "bright"), statistics={"picture": [[48, 48]]})
    task = detection.build(detection.Settings(), target)
    net = network((1, 48, 48), widths=[16, 24, 32], neck_width=24)
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3, weight_decay=0.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=STEPS)
    for _ in range(STEPS):
        loss = task.loss(net({"image": image}), boxes).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    with torch.inference_mode():
        answers = activate(net.eval()({"image": image}), task)
    found = value_of(map50, task.outcome({"objects": answers["objects"].numpy()}, boxes.numpy()))
    assert found > 0.8
