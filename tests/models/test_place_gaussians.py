"""place_gaussians: filled once, by place; distances are those of the Gaussians."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from dlw.errors import UsageError
from dlw.models import place_gaussians
from dlw.models._base import Filled
from dlw.models._place_gaussians import PlaceGaussians
from dlw.specs import FieldSpec, OutputSpec

SPEC = FieldSpec("image", (1, 17, 24), "uint8", statistics={"mean": [50.0], "std": [30.0]})


def network(**options: Any) -> PlaceGaussians:
    """A small network, the same at every call."""
    torch.manual_seed(0)
    settings = place_gaussians.Settings(**{"filters": 3, "scales": 2, **options})
    made = place_gaussians.build(settings, {"image": SPEC}, OutputSpec("error", 1))
    assert isinstance(made, PlaceGaussians)
    return made.eval()


def pictures(count: int) -> dict[str, torch.Tensor]:
    """Dark on the left, bright on the right, with noise."""
    noise = np.random.default_rng(count).integers(0, 40, (count, 1, 17, 24), np.uint8)
    noise[..., 12:] += 150
    return {"image": torch.from_numpy(noise)}


def filled(**options: Any) -> PlaceGaussians:
    net = network(**options)
    with torch.no_grad():
        for count in (60, 37):
            net.collect(pictures(count))
        net.settle()
    return net


def test_is_filled_and_not_trained() -> None:
    net = network()
    assert isinstance(net, Filled)
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_normal_pictures_are_at_one_and_what_is_elsewhere_is_far() -> None:
    net = filled(shrink=0.01)
    normal, mirrored = net(pictures(50)), net({"image": pictures(50)["image"].flip(-1)})
    assert normal.shape == (50, 1, 2, 3)
    assert normal.mean().item() == pytest.approx(1, abs=0.2)
    assert mirrored[..., [0, 2]].amin() > 10 * normal.mean(), "each place knows its own pictures"


def test_distances_are_those_of_the_formula() -> None:
    net = filled(shrink=0.25)
    seen = torch.cat([net._features(pictures(count)) for count in (60, 37)]).double()
    whole = torch.cov(seen.flatten(0, 2).T, correction=0)
    own = torch.cov(seen[:, 1, 2].T, correction=0)
    size = seen.shape[-1]
    covariance = 0.75 * own + 0.25 * (whole + torch.eye(size) * 1e-3 * whole.diagonal().mean())
    difference = net._features(pictures(4))[:, 1, 2].double() - seen[:, 1, 2].mean(0)
    wanted = torch.einsum("bd,de,be->b", difference, torch.linalg.inv(covariance), difference) / size
    torch.testing.assert_close(net(pictures(4))[:, 0, 1, 2].double(), wanted, rtol=1e-3, atol=1e-3)


def test_pictures_all_alike_have_a_distance_too() -> None:
    net = network()
    batch = {"image": torch.full((5, 1, 17, 24), 80, dtype=torch.uint8)}
    net.collect(batch)
    net.settle()
    assert torch.isfinite(net(pictures(3))).all()
    assert net(batch).max() < 1e-3


def test_state_survives_a_checkpoint() -> None:
    net, fresh = filled(), network()
    fresh.load_state_dict(net.state_dict())
    assert torch.equal(net(pictures(2)), fresh(pictures(2)))


def test_cells_hold_whole_pixels_and_pictures_hold_cells() -> None:
    with pytest.raises(ValueError, match="cell must be a multiple of 4, a pixel at the coarsest of 3 scales"):
        place_gaussians.Settings(cell=6, scales=3)
    with pytest.raises(UsageError, match="image is 17x24, smaller than one cell"):
        network(cell=32)
