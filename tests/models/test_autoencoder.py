"""autoencoder: any size, every parameter learns, gaps count nothing, training noise only in training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dlw.errors import UsageError
from dlw.models import autoencoder
from dlw.specs import FieldSpec, OutputSpec

NUMBER = FieldSpec(
    "number", (3,), "float32", ("a", "b", "c"), statistics={"mean": [1.0, 2.0, 3.0], "std": [1.0, 2.0, 0.0]}
)


def network(spec: FieldSpec, **options: Any) -> nn.Module:
    """A small network, the same at every call."""
    torch.manual_seed(0)
    settings = autoencoder.Settings(**{"widths": [8, 6], "code": 4, **options})
    return autoencoder.build(settings, {spec.kind: spec}, OutputSpec("error", 1))


def picture(shape: tuple[int, ...]) -> FieldSpec:
    return FieldSpec("image", shape, "uint8", statistics={"mean": [100.0] * shape[0], "std": [60.0] * shape[0]})


def rows(spec: FieldSpec, count: int) -> dict[str, torch.Tensor]:
    random = np.random.default_rng(0)
    if spec.kind == "image":
        return {"image": torch.from_numpy(random.integers(0, 256, (count, *spec.shape), dtype=np.uint8))}
    return {"number": torch.from_numpy(random.normal(size=(count, 3)).astype(np.float32))}


@pytest.mark.parametrize("spec", [picture((1, 8, 8)), picture((3, 13, 22)), picture((2, 1, 3)), NUMBER])
def test_every_size_gives_errors_and_a_gradient_to_every_parameter(spec: FieldSpec) -> None:
    net = network(spec)
    error = net(rows(spec, 4))
    assert error.shape == (4, 1, *(spec.shape[1:] if spec.kind == "image" else (1, 3)))
    assert (error >= 0).all()
    error.mean().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("spec", [picture((1, 8, 8)), NUMBER])
def test_learns_to_explain_one_batch(spec: FieldSpec) -> None:
    net, batch = network(spec, widths=[32], code=16), rows(spec, 8)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    first = net(batch).mean().item()
    for _ in range(150):
        optimizer.zero_grad()
        net(batch).mean().backward()
        optimizer.step()
    assert net(batch).mean().item() < first / 4


def test_a_gap_is_no_error() -> None:
    net, batch = network(NUMBER).eval(), rows(NUMBER, 2)
    batch["number"][0, 1] = torch.nan
    error = net(batch)
    assert torch.isfinite(error).all()
    assert error[0, 0, 0, 1] == 0


def test_numbers_have_no_picture_to_be_standardised_by() -> None:
    with pytest.raises(UsageError, match="standardise: picture has no effect on a number"):
        network(NUMBER, standardise="picture")


def test_noise_is_for_training() -> None:
    net, batch = network(NUMBER, noise=1.0), rows(NUMBER, 4)
    assert not torch.equal(net(batch), net(batch))
    assert torch.equal(net.eval()(batch), net(batch))


def test_pictures_and_numbers_together_are_refused() -> None:
    with pytest.raises(UsageError, match="one picture, one series or numbers"):
        autoencoder.build(
            autoencoder.Settings(), {"image": picture((1, 8, 8)), "number": NUMBER}, OutputSpec("error", 1)
        )
