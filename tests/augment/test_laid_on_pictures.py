"""What lies on a picture moves with it: for every augmentation that says so, masks and boxes stay where things are."""

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

ROWS, SIDE, VOID = 40, 64, 255
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "random_crop": [{"padding": 9}, {"padding": 9, "fill": "edge"}, {"padding": 9, "fill": "reflect"}],
    "random_affine": [
        {"zoom": (0.5, 2.0), "stretch": 0.3},
        {"turn": 90.0, "zoom": (0.7, 1.0)},
        {"zoom": (0.6, 0.9), "fill": "reflect"},
    ],
    "patch": [{"size": 32}, {"size": 16, "focus": 1.0, "rare_rows": 0.5}],
    "synthetic_defects": [{"shapes": ["spot", "line"], "light": (3.0, 4.0), "dark": 0.0}],
}
"""Settings that are tried beside the defaults."""
UNMOVED = ("color", "illumination", "random_erasing")
"""They change what is seen and leave it where it is."""


def laid(kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Return every augmentation of pictures that keeps this kind of target true, with its settings."""
    names = registry.names("augment")
    modules = {name: registry.load("augment", name) for name in names}
    fitting = [name for name in names if "image" in modules[name].KINDS and kind in modules[name].LAID_ON]
    return [(name, options) for name in fitting for options in OPTIONS.get(name, [{}])]


def augmentation(name: str, kind: str, **options: Any) -> Augment:
    """Build a plug-in for grey pictures with a target of this kind."""
    groups = {
        "image": FieldSpec("image", (1, SIDE, SIDE), "uint8", statistics={"mean": [8.0], "std": [60.0]}),
        "target": FieldSpec(
            kind, (SIDE, SIDE) if kind == "mask" else (2, 5), "uint8", sizes=(2,), statistics={"counts": [[11, 10]]}
        ),
    }
    module = registry.load("augment", name)
    made: Augment = module.build(module.Settings(**options), groups)
    return made


def blocks() -> tuple[Tensor, Tensor]:
    """Return a bright block per row on a dark ground, uint8 [B, 1, H, W], and its box among boxes [B, 2, 5]."""
    random = np.random.default_rng(0)
    image = torch.full((ROWS, 1, SIDE, SIDE), 8, dtype=torch.uint8)
    boxes = torch.zeros(ROWS, 2, 5)
    boxes[:, 1, 0] = -1
    for row in range(ROWS):
        left, top = random.integers(12, 30, 2).tolist()
        wide, high = random.integers(8, 20, 2).tolist()
        image[row, 0, top : top + high, left : left + wide] = 250
        boxes[row, 0] = torch.tensor([2, left, top, left + wide, top + high])
    return image, boxes


def run(augment: Augment, image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    changed = augment({"image": image, "target": target}, RowDraws(3, 0, torch.arange(ROWS), place=0))
    return changed["image"], changed["target"]


@pytest.mark.parametrize(("name", "options"), laid("mask"))
def test_a_mask_names_what_is_seen(name: str, options: dict[str, Any]) -> None:
    """Class 1 lies where the block is, before and after; void only where something entered from outside."""
    image, _ = blocks()
    mask = (image[:, 0] > 128).to(torch.uint8)
    seen, ids = run(augmentation(name, "mask", **options), image, mask)
    assert ids.dtype == torch.uint8
    assert set(ids.unique().tolist()) <= {0, 1, VOID}
    if name in UNMOVED:
        assert torch.equal(ids, mask)
        return
    assert ids.shape[1:] == seen.shape[2:]
    is_known = ids != VOID
    agree = ((seen[:, 0] > 128) == (ids == 1))[is_known].float().mean()
    assert agree > 0.99
    assert not torch.equal(ids, mask)
    assert (seen[:, 0][~is_known] <= 8).all()


@pytest.mark.parametrize(("name", "options"), laid("boxes"))
def test_a_box_stays_around_its_thing(name: str, options: dict[str, Any]) -> None:
    image, boxes = blocks()
    seen, moved = run(augmentation(name, "boxes", **options), image, boxes)
    assert moved.shape == boxes.shape
    assert (moved[:, 1] == torch.tensor([-1.0, 0, 0, 0, 0])).all() or torch.equal(moved[:, 1], boxes[:, 1])
    if name in UNMOVED:
        assert torch.equal(moved, boxes)
        return
    assert not torch.equal(moved, boxes)
    for row in range(ROWS):
        label, *corners = moved[row, 0].tolist()
        ys, xs = torch.nonzero(seen[row, 0] > 128, as_tuple=True)
        if label < 0:
            continue
        assert label == 2
        if options.get("turn"):  # the upright box around a turned box is not tight
            assert corners[0] <= xs.min() + 1
            assert corners[3] >= ys.max()
        elif options.get("fill") != "reflect" and options.get("fill") != "edge":
            found = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            assert corners == pytest.approx([float(place) for place in found], abs=1.01)


def test_a_box_whose_middle_leaves_is_dropped_and_others_are_cut() -> None:
    boxes = torch.tensor([[[0.0, 0, 0, 10, 10], [1.0, 0, 0, 40, 40]]]).repeat(ROWS, 1, 1)
    _, moved = run(augmentation("random_crop", "boxes", padding=12), blocks()[0], boxes)
    dropped = moved[:, 0, 0] < 0
    assert 0 < dropped.sum() < ROWS
    assert (moved[dropped, 0] == torch.tensor([-1.0, 0, 0, 0, 0])).all()
    assert (moved[:, 1, 1:] >= 0).all()
    assert (moved[:, 1, 0] == 1).all()


def test_turns_are_whole_quarters() -> None:
    image, _ = blocks()
    seen, _ = run(augmentation("quarter_turn", "mask"), image, image[:, 0])
    quarters = torch.stack([torch.rot90(image, k, (-2, -1)) for k in range(4)])
    matches = (quarters == seen).flatten(2).all(2)
    assert matches.any(0).all()
    assert matches.any(1).all()
    module = registry.load("augment", "quarter_turn")
    with pytest.raises(UsageError, match="image is 8x9; only square pictures"):
        module.build(module.Settings(), {"image": FieldSpec("image", (1, 8, 9), "uint8")})


def test_zoom_must_rise() -> None:
    with pytest.raises(ValidationError, match=r"(?s)\nzoom\n.*starts at 2.0 and ends below, at 0.5"):
        registry.load("augment", "random_affine").Settings(zoom=(2.0, 0.5))


def test_patches_show_a_class_as_often_as_asked() -> None:
    """Blocks fill a twentieth of the pictures; of two classes as rare as each other, half of the patches hold each."""
    image, _ = blocks()
    mask = (image[:, 0] > 128).to(torch.uint8)
    mask[0] = VOID

    def share(focus: float) -> float:
        patch = augmentation("patch", "mask", size=9, focus=focus)
        holds = []
        for epoch in range(25):
            changed = patch({"image": image, "target": mask}, RowDraws(3, epoch, torch.arange(ROWS), place=0))
            assert changed["image"].shape == (ROWS, 1, 9, 9)
            holds.append((changed["target"][1:] == 1).flatten(1).any(1))
        return torch.stack(holds).float().mean().item()

    assert share(0.0) < 0.3
    assert share(1.0) > 0.5


@pytest.mark.parametrize(("share", "count"), [(0.0, 4), (0.05, 4), (0.5, 20), (1.0, 40)])
def test_rows_of_rare_classes_are_repeated_up_to_their_share(share: float, count: int) -> None:
    image, _ = blocks()
    mask = (image[:, 0] > 128).to(torch.uint8)
    image[4:], mask[4:] = 8, 0
    seen, ids = run(augmentation("patch", "mask", size=SIDE, rare_rows=share), image, mask)
    assert (ids == 1).flatten(1).any(1).sum() == count
    assert torch.equal(ids == 1, seen[:, 0] > 128), "a repeated row brings its mask along"


def test_patches_want_a_mask_and_pictures_as_large() -> None:
    module = registry.load("augment", "patch")
    image = FieldSpec("image", (1, 64, 20), "uint8")
    with pytest.raises(UsageError, match="image is 64x20, smaller than the patch of 21"):
        module.build(module.Settings(size=21), {"image": image, "target": FieldSpec("mask", (64, 20), "uint8")})
    with pytest.raises(UsageError, match="a target that is a mask"):
        module.build(module.Settings(size=8), {"image": image, "target": FieldSpec("category", (), "int64")})


def test_rare_pixels_are_pasted_in_the_light_of_the_other_picture() -> None:
    """A block that is 100 brighter than its ground stays that on a darker ground; what is not known stays so."""
    image, mask = torch.full((2, 1, 8, 8), 150, dtype=torch.uint8), torch.zeros(2, 8, 8, dtype=torch.uint8)
    image[0, 0, 2:4, 2:6], mask[0, 2:4, 2:6] = 250, 1
    image[1], mask[1, :, 4:] = 30, VOID
    augment = augmentation("copy_paste", "mask", probability=1.0)
    changed = augment({"image": image, "target": mask}, RowDraws(3, 0, torch.arange(2), place=0))
    assert changed["image"][1, 0, 2:4, 2:4].eq(130).all()
    assert changed["target"][1, 2:4, 2:4].eq(1).all()
    assert int((changed["image"][1] != 30).sum()) == int((changed["target"][1] == 1).sum()) == 4
    assert torch.equal(changed["image"][0], image[0])
    kept = augmentation("copy_paste", "mask", probability=1.0, match_light=False)
    assert kept({"image": image, "target": mask}, RowDraws(3, 0, torch.arange(2), place=0))["image"][1].max() == 250


def test_rare_pixels_are_pasted_in_some_rows() -> None:
    image, _ = blocks()
    mask = (image[:, 0] > 128).to(torch.uint8)
    seen, _ = run(augmentation("copy_paste", "mask", probability=0.3), image, mask)
    changed = int((seen != image).flatten(1).any(1).sum())
    assert 4 <= changed <= 22


def test_pasting_needs_a_mask() -> None:
    with pytest.raises(UsageError, match="copy_paste: is for a target that is a mask"):
        augmentation("copy_paste", "boxes")
