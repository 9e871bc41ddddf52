"""Picture augmentations: the same row always changes the same way, bytes stay bytes, and something does change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from dlw import registry
from dlw.augment._base import Augment
from dlw.engine.draws import RowDraws
from dlw.errors import UsageError
from dlw.specs import FieldSpec

SINGLE: list[tuple[str, dict[str, Any]]] = [
    ("horizontal_flip", {}),
    ("random_crop", {"padding": 3}),
    ("random_crop", {"padding": 3, "fill": "edge"}),
    ("random_crop", {"padding": 3, "fill": "reflect"}),
    ("random_erasing", {}),
    ("random_erasing", {"fill": "mean", "probability": 1.0}),
    ("color", {}),
    ("rand_augment", {}),
    ("vertical_flip", {}),
    ("random_affine", {"turn": 20.0, "stretch": 0.2}),
    ("illumination", {}),
    ("elastic", {"cells": 3, "strength": 2.0}),
]
MIXING: list[tuple[str, dict[str, Any]]] = [("mixup", {"alpha": 1.0}), ("cutmix", {})]


def spec(shape: tuple[int, ...]) -> FieldSpec:
    """An image field's spec with plausible statistics."""
    return FieldSpec("image", shape, "uint8", statistics={"mean": [100.0] * shape[0], "std": [60.0] * shape[0]})


def augmentation(name: str, shape: tuple[int, ...], **options: Any) -> Augment:
    """Build a plug-in by name."""
    plugin = registry.load("augment", name)
    made: Augment = plugin.build(plugin.Settings(**options), {"photo": spec(shape)})
    return made


def pictures(shape: tuple[int, ...], rows: int) -> Tensor:
    """Random raw pixels."""
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (rows, *shape), dtype=np.uint8))


def run(augment: Augment, image: Tensor, rows: Tensor, epoch: int = 0, seed: int = 7) -> dict[str, Tensor]:
    """Augment some rows of a split."""
    return augment({"photo": image[rows], "target": rows}, RowDraws(seed, epoch, rows, place=1))


@pytest.mark.parametrize(("name", "options"), SINGLE)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 6)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_row_changes_the_same_way_in_every_batch(
    name: str, options: dict[str, Any], shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    augment, image = augmentation(name, shape, **options), pictures(shape, 40).to(dtype)
    whole = run(augment, image, torch.arange(40))["photo"]
    part = torch.tensor([31, 2, 17])
    torch.testing.assert_close(run(augment, image, part)["photo"], whole[part], atol=1e-4, rtol=0)
    assert whole.shape == image.shape
    assert whole.dtype == dtype
    assert not torch.equal(whole, image)
    assert not torch.equal(run(augment, image, torch.arange(40), epoch=1)["photo"], whole)
    assert not torch.equal(run(augment, image, torch.arange(40), seed=8)["photo"], whole)


@pytest.mark.parametrize(("name", "options"), SINGLE + MIXING)
def test_the_batch_given_is_left_alone(name: str, options: dict[str, Any]) -> None:
    image = pictures((1, 8, 8), 16)
    batch = {"photo": image.clone(), "target": torch.arange(16)}
    changed = augmentation(name, (1, 8, 8), **options)(batch, RowDraws(0, 0, torch.arange(16), 0))
    assert torch.equal(batch["photo"], image)
    assert sorted(batch) == ["photo", "target"]
    assert torch.equal(changed["target"], batch["target"])


def test_flip_mirrors_whole_rows_with_the_chance_stated() -> None:
    image = pictures((3, 4, 5), 1000)
    out = run(augmentation("horizontal_flip", (3, 4, 5), probability=0.25), image, torch.arange(1000))["photo"]
    is_flipped = (out == image.flip(-1)).flatten(1).all(1)
    is_same = (out == image).flatten(1).all(1)
    assert (is_flipped | is_same).all()
    assert 200 < is_flipped.sum() < 300


@pytest.mark.parametrize(("fill", "mode"), [("zero", "constant"), ("edge", "replicate"), ("reflect", "reflect")])
def test_crop_is_pad_then_cut(fill: str, mode: str) -> None:
    image = pictures((2, 6, 7), 60)
    out = run(augmentation("random_crop", (2, 6, 7), padding=2, fill=fill), image, torch.arange(60))["photo"]
    padded = torch.nn.functional.pad(image.float(), (2, 2, 2, 2), mode=mode).to(torch.uint8)
    seen = set()
    for row in range(60):
        places = [
            (y, x) for y in range(5) for x in range(5) if torch.equal(out[row], padded[row, :, y : y + 6, x : x + 7])
        ]
        assert len(places) == 1, row
        seen.update(places)
    assert len(seen) > 15  # of 25


def test_crop_refuses_pictures_smaller_than_the_move() -> None:
    with pytest.raises(UsageError, match="padding 8 is too large for photo of 8x9"):
        augmentation("random_crop", (1, 8, 9), padding=8)


def test_erasing_overwrites_one_box_of_the_area_stated() -> None:
    image = torch.full((500, 1, 20, 30), 7, dtype=torch.uint8)
    augment = augmentation("random_erasing", (1, 20, 30), fill="mean", area=(0.1, 0.2), probability=0.5)
    is_erased = run(augment, image, torch.arange(500))["photo"][:, 0] == 100
    counts = is_erased.sum(dim=(1, 2))
    box_areas = is_erased.any(2).sum(1) * is_erased.any(1).sum(1)
    assert torch.equal(counts, box_areas)
    assert 200 < (counts > 0).sum() < 300
    shares = counts[counts > 0] / 600
    assert 0.08 < shares.min() < 0.12
    assert 0.18 < shares.max() < 0.22


def test_erasing_area_must_rise() -> None:
    with pytest.raises(ValidationError, match=r"(?s)\narea\n.*starts at 0.5 and ends below, at 0.2"):
        augmentation("random_erasing", (1, 8, 8), area=(0.5, 0.2))


def test_color_without_strength_changes_nothing_and_saturation_needs_colour() -> None:
    image = pictures((3, 4, 4), 8)
    out = run(augmentation("color", (3, 4, 4), brightness=0.0, contrast=0.0), image, torch.arange(8))["photo"]
    assert torch.equal(out, image)
    saturated = run(augmentation("color", (3, 4, 4), brightness=0, contrast=0, saturation=0.9), image, torch.arange(8))
    assert not torch.equal(saturated["photo"], image)
    with pytest.raises(UsageError, match="saturation needs 3 channels, photo has 1"):
        augmentation("color", (1, 4, 4), saturation=0.2)


@pytest.mark.parametrize(("name", "options"), MIXING)
def test_mixing_names_partner_and_share(name: str, options: dict[str, Any]) -> None:
    image = pictures((1, 16, 16), 64)
    out = run(augmentation(name, (1, 16, 16), **options), image, torch.arange(64))
    partner, share = out["partner"], out["share"]
    assert not (partner == torch.arange(64)).any()
    assert (share >= 0).all()
    assert (share <= 1).all()
    assert share.std() > 0.1
    if name == "mixup":
        expected = share[:, None, None, None] * image + (1 - share[:, None, None, None]) * image[partner]
        torch.testing.assert_close(out["photo"].float(), expected, atol=0.51, rtol=0)
    else:
        is_own = (out["photo"] == image).flatten(1).float().mean(1)
        torch.testing.assert_close(is_own, share, atol=0.02, rtol=0)  # pixels may be equal by chance


@pytest.mark.parametrize(("name", "options"), MIXING)
def test_mixing_is_a_choice_per_batch_and_happens_once(name: str, options: dict[str, Any]) -> None:
    image = pictures((1, 8, 8), 32)
    augment = augmentation(name, (1, 8, 8), probability=0.5, **options)
    mixed = ["partner" in run(augment, image, torch.arange(32), epoch=epoch) for epoch in range(100)]
    assert 30 < sum(mixed) < 70
    always = augmentation(name, (1, 8, 8), **options)
    once = run(always, image, torch.arange(32))
    assert always(once, RowDraws(0, 0, torch.arange(32), 2)) is once


def test_mixing_needs_one_picture_as_the_only_input() -> None:
    plugin = registry.load("augment", "mixup")
    age = FieldSpec("number", (1,), "float32", columns=("age",))
    with pytest.raises(UsageError, match="one image must be the only input"):
        plugin.build(plugin.Settings(), {"photo": spec((1, 8, 8)), "number": age})


@pytest.mark.parametrize(("alpha", "variance"), [(0.2, 0.25 / 1.4), (1.0, 1 / 12), (4.0, 0.25 / 9)])
def test_shares_follow_the_beta_distribution(alpha: float, variance: float) -> None:
    from dlw.augment._image_mixing import beta_quantiles

    quantiles = beta_quantiles(alpha).double()
    middles = (quantiles[1:] + quantiles[:-1]) / 2
    assert middles.mean().item() == pytest.approx(0.5, abs=1e-3)
    assert middles.var().item() == pytest.approx(variance, rel=0.02)


def test_random_operations_of_little_strength_change_little() -> None:
    ramp = torch.linspace(0, 255, 32).expand(200, 1, 32, 32)
    inner = (..., slice(4, -4), slice(4, -4))
    weak = run(augmentation("rand_augment", (1, 32, 32), strength=0.01), ramp, torch.arange(200))["photo"]
    strong = run(augmentation("rand_augment", (1, 32, 32), strength=1.0), ramp, torch.arange(200))["photo"]
    assert (weak - ramp)[inner].abs().max() < 10
    assert (strong - ramp)[inner].abs().mean() > 20


def test_a_turn_keeps_the_shape_of_things_in_wide_pictures() -> None:
    from dlw.augment import _image_random as module

    image = torch.zeros(1, 1, 21, 41)
    image[..., 10, 14:27] = 255  # a level line of 13 pixels in the middle
    turn = module._movement(torch.tensor([module.OPERATIONS.index("rotate")]), torch.tensor([1.0]))
    out = module._move(image, turn)
    ys, xs = torch.nonzero(out[0, 0] > 60, as_tuple=True)
    length = torch.hypot((ys.max() - ys.min()).float(), (xs.max() - xs.min()).float())
    assert length.item() == pytest.approx(12, abs=1.5)
    slope = (ys.max() - ys.min()) / (xs.max() - xs.min())
    assert slope.item() == pytest.approx(np.tan(module.FULL_TURN), abs=0.12)


def test_light_differs_smoothly_from_place_to_place() -> None:
    """A grey wall gets brighter here and darker there, by no more than asked, without steps."""
    image = torch.full((32, 1, 40, 60), 100.0)
    changed = run(augmentation("illumination", (1, 40, 60), strength=0.3), image, torch.arange(32))["photo"]
    assert changed.min() > 100 * (1 - 0.3 * 1.4)
    assert changed.max() < 100 * (1 + 0.3 * 1.4)
    assert changed.amax((2, 3)).sub(changed.amin((2, 3))).min() > 5
    assert changed.diff(dim=3).abs().max() < 6
    assert abs(float(changed.mean()) - 100) < 3
