"""Synthetic defects: what is drawn is what is marked, in the shapes, the light and the share of rows asked for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor

from dlw.augment import synthetic_defects
from dlw.engine.draws import RowDraws
from dlw.errors import UsageError
from dlw.specs import FieldSpec

ROWS, SIDE, VOID = 60, 64, 255
GREY, SPREAD = 120.0, 10.0


def drawn(ids: Tensor | None = None, **options: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Return noise around a grey, the same with defects, float [B, 1, H, W], and the masks [B, H, W]."""
    image = GREY + SPREAD * torch.randn(ROWS, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    ids = torch.zeros(ROWS, SIDE, SIDE, dtype=torch.uint8) if ids is None else ids
    augment = synthetic_defects.build(synthetic_defects.Settings(**{"probability": 1.0, **options}), groups())
    changed = augment({"image": image, "target": ids}, RowDraws(3, 0, torch.arange(ROWS), place=0))
    return image, changed["image"], changed["target"]


def groups(kind: str = "mask", classes: int = 2, common: int = 0) -> dict[str, FieldSpec]:
    counts = {"counts": [[100 if k == common else 1 for k in range(classes)]]}
    return {
        "image": FieldSpec("image", (1, SIDE, SIDE), "uint8", statistics={"mean": [GREY], "std": [SPREAD]}),
        "target": FieldSpec(kind, (SIDE, SIDE), "uint8", sizes=(classes,), statistics=counts),
    }


@pytest.mark.parametrize(("dark", "sign"), [(1.0, -1), (0.0, 1)])
def test_what_is_marked_is_darker_or_brighter_by_the_light_asked_for(dark: float, sign: int) -> None:
    image, changed, ids = drawn(shapes=["spot", "line"], light=(3.0, 3.0), dark=dark)
    step = (changed - image)[:, 0] * sign / SPREAD
    assert step[ids == 1].min() > 1.4
    assert step.max() < 3.1
    assert step[ids == 1].mean() > 2.2
    near = F.max_pool2d((ids == 1).float(), 9, stride=1, padding=4) > 0
    assert (step[~near] != 0).float().mean() < 1e-3
    assert (ids == 1).flatten(1).any(1).float().mean() > 0.8


def test_spots_are_compact_lines_are_thin_and_regions_large() -> None:
    """By the share of marked pixels that a rim of one pixel takes away, and by their number."""
    found = {}
    for shape in ("spot", "line", "region"):
        ids = drawn(shapes=[shape])[2].float()
        kept = -F.max_pool2d(-ids, 3, stride=1, padding=1)
        found[shape] = (float(kept.sum() / ids.sum()), float(ids.mean()))
    assert found["line"][0] < 0.25
    assert found["spot"][0] > 0.3
    assert found["region"][0] > 0.7
    assert found["spot"][1] < 0.05 < found["region"][1]


def test_regions_take_texture_from_another_picture() -> None:
    """Beside a change of light, so that what is there does not follow from what was there."""
    image, changed, ids = drawn(shapes=["region"], light=(0.01, 0.01))
    inside = ids == 1
    old, new = image[:, 0][inside] - GREY, changed[:, 0][inside] - GREY
    assert 0.3 < float(torch.corrcoef(torch.stack([old, new]))[0, 1]) < 0.9
    assert abs(float(new.mean())) < 1


def test_some_rows_get_a_defect() -> None:
    image, changed, _ = drawn(probability=0.4)
    assert 12 <= int((changed != image).flatten(1).any(1).sum()) <= 34


def test_what_is_not_known_is_left_alone_and_a_defect_already_there_stays() -> None:
    ids = torch.zeros(ROWS, SIDE, SIDE, dtype=torch.uint8)
    ids[:, :, : SIDE // 2], ids[:, :4] = VOID, 1
    image, changed, marked = drawn(ids, shapes=["region"])
    assert torch.equal(marked == VOID, ids == VOID)
    assert torch.equal(changed[:, 0][ids == VOID], image[:, 0][ids == VOID])
    assert marked[ids == 1].eq(1).all()


def test_the_rarer_class_is_the_defect() -> None:
    image = torch.randint(60, 180, (ROWS, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(0)).byte()
    ids = torch.ones(ROWS, SIDE, SIDE, dtype=torch.uint8)
    augment = synthetic_defects.build(synthetic_defects.Settings(probability=1.0), groups(common=1))
    changed = augment({"image": image, "target": ids}, RowDraws(3, 0, torch.arange(ROWS), place=0))
    assert changed["image"].dtype == changed["target"].dtype == torch.uint8
    assert changed["target"].unique().tolist() == [0, 1]
    assert (changed["image"] != image).any(1)[changed["target"] == 0].float().mean() > 0.9


@pytest.mark.parametrize("grey", [0, 255, 90])
def test_what_cannot_be_seen_is_not_marked(grey: int) -> None:
    """On a picture of one grey nothing has a light of its own; on black ground nothing can be darker."""
    image, ids = torch.full((ROWS, 1, SIDE, SIDE), grey, dtype=torch.uint8), torch.zeros(ROWS, SIDE, SIDE).byte()
    image[: ROWS // 2, :, :9] = 200 if grey < 200 else 40
    augment = synthetic_defects.build(synthetic_defects.Settings(probability=1.0), groups())
    changed = augment({"image": image, "target": ids}, RowDraws(3, 0, torch.arange(ROWS), place=0))
    is_changed_BHW = (changed["image"] != image).any(1)
    for row in range(ROWS):
        marked_HW = changed["target"][row] == 1
        assert not marked_HW.any() or is_changed_BHW[row][marked_HW].float().mean() >= 0.5
        assert marked_HW.any() or not is_changed_BHW[row].any()
    assert (changed["target"] == 1).any()


@pytest.mark.parametrize(("kind", "classes"), [("mask", 3), ("boxes", 2)])
def test_a_mask_of_two_classes_is_asked_for(kind: str, classes: int) -> None:
    with pytest.raises(UsageError, match="synthetic_defects: is for a target that is a mask of two classes"):
        synthetic_defects.build(synthetic_defects.Settings(), groups(kind, classes))


def test_the_light_must_rise() -> None:
    with pytest.raises(ValidationError, match=r"(?s)\nlight\n.*starts at 2.0 and ends below, at 1.0"):
        synthetic_defects.Settings(light=(2.0, 1.0))
