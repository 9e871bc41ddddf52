"""feature_memory: filled once, far from what it saw is strange, nothing is trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from dlw.models import feature_memory
from dlw.models._base import Filled
from dlw.models._feature_memory import FeatureMemory, _covering
from dlw.specs import FieldSpec, OutputSpec

SPEC = FieldSpec("image", (1, 12, 10), "uint8", statistics={"mean": [50.0], "std": [30.0]})


def network(**options: Any) -> FeatureMemory:
    """A small network, the same at every call."""
    torch.manual_seed(0)
    settings = feature_memory.Settings(**{"widths": [4, 8], "depths": [1, 1], "memory": 20, **options})
    made = feature_memory.build(settings, {"image": SPEC}, OutputSpec("error", 1))
    assert isinstance(made, FeatureMemory)
    return made.eval()


def pictures(count: int, low: int, high: int) -> dict[str, torch.Tensor]:
    return {"image": torch.from_numpy(np.random.default_rng(count).integers(low, high, (count, 1, 12, 10), np.uint8))}


def filled(**options: Any) -> FeatureMemory:
    net = network(**options)
    with torch.no_grad():
        for count in (6, 3):
            net.collect(pictures(count, 0, 100))
        net.settle()
    return net


def test_is_filled_and_not_trained() -> None:
    net = network()
    assert isinstance(net, Filled)
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_what_was_seen_is_near_and_what_was_not_is_far() -> None:
    net = filled(patches=200, memory=2000)
    seen, other = net(pictures(6, 0, 100)), net(pictures(6, 150, 250))
    assert seen.shape == (6, 1, 12, 10)
    assert (seen >= 0).all()
    assert seen.max() < 1e-3, "with room for every patch, each finds itself"
    assert other.mean() > 1


def test_distances_are_those_to_the_nearest_patch() -> None:
    net = filled()
    batch = pictures(4, 0, 250)
    feature = ((net._features(batch) - net.mean_D) * net.scale_D).flatten(0, 2)
    wanted = torch.cdist(feature.double(), net.memory_MD.double()).square().amin(1) / net.mean_D.numel()
    torch.testing.assert_close(net(batch).flatten().double(), wanted, atol=1e-4, rtol=1e-4)


def test_chosen_patches_cover_all_and_few_are_repeated() -> None:
    torch.manual_seed(0)
    corners = torch.eye(5) * 10
    patches = torch.cat([corners, corners + 0.01, corners - 0.01])
    assert sorted((_covering(patches, 5) % 5).tolist()) == [0, 1, 2, 3, 4]
    repeated = _covering(patches[:3], 7).tolist()
    assert sorted(repeated[:3]) == [0, 1, 2]
    assert repeated[3:] == [*repeated[:3], repeated[0]]


def test_state_survives_a_checkpoint() -> None:
    net, fresh = filled(), network()
    fresh.load_state_dict(net.state_dict())
    batch = pictures(2, 0, 250)
    assert torch.equal(net(batch), fresh(batch))


def test_two_stages_at_least() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        feature_memory.Settings(widths=[8], depths=[1])
