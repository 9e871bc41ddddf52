"""Segmentation: what counts in the loss, which class is looked for, what predictions hold and how they are drawn."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dlw.errors import DataError
from dlw.specs import FieldSpec
from dlw.tasks import segmentation

VOID = 255


def build(counts: tuple[int, ...] = (10, 30, 60), **options: Any) -> segmentation.SegmentationTask:
    labels = ("tree", "sky", "road")[: len(counts)]
    target = FieldSpec("mask", (4, 5), "uint8", ("m",), (len(labels),), labels, {"counts": [list(counts)]})
    return segmentation.build(segmentation.Settings(**options), target)


def batch(classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    out = torch.randn(2, classes, 4, 5, generator=generator)
    return out, torch.randint(0, classes, (2, 4, 5), generator=generator).byte()


def test_loss_is_cross_entropy_of_known_pixels_plus_dice() -> None:
    out, target = batch()
    target[0, :2] = VOID
    expected = [
        torch.nn.functional.cross_entropy(out[row : row + 1], target[row : row + 1].long(), ignore_index=VOID)
        for row in range(2)
    ]
    torch.testing.assert_close(build(dice=0.0).loss(out, target), torch.stack(expected))
    difference = build(dice=0.5).loss(out, target) - torch.stack(expected)
    wanted = []
    for row in range(2):
        known = target[row] != VOID
        p = out[row].softmax(0)[:, known]
        truth = torch.nn.functional.one_hot(target[row][known].long(), 3).T.float()
        there = truth.sum(1) > 0
        wanted.append((1 - 2 * (p * truth).sum(1) / (p.sum(1) + truth.sum(1)))[there].mean() / 2)
    torch.testing.assert_close(difference, torch.stack(wanted))


def test_pixels_of_unknown_class_are_learned_as_the_class_that_is_named() -> None:
    """The target itself stays, so that scores leave them out."""
    out, target = batch()
    target[0, :2] = VOID
    named = target.clone()
    named[0, :2] = 1
    learned = build(void_as="sky", class_weights="root").loss(out, target)
    torch.testing.assert_close(learned, build(class_weights="root").loss(out, named))
    assert (target[0, :2] == VOID).all()
    with pytest.raises(DataError, match="has no class 'skye'; did you mean sky"):
        build(void_as="skye")


def test_a_picture_without_known_pixels_counts_nothing() -> None:
    out, target = batch()
    out.requires_grad_()
    target[0] = VOID
    losses = build(class_weights="balanced").loss(out, target)
    assert losses[0] == 0
    losses.sum().backward()
    assert out.grad is not None
    assert out.grad[0].abs().max() == 0
    assert out.grad[1].abs().min() > 0


@pytest.mark.parametrize(
    ("weights", "expected"),
    [("balanced", [10 / 3, 10 / 9, 5 / 9]), ({"tree": 4.0}, [40 / 13, 10 / 13, 10 / 13]), (None, None)],
)
def test_the_average_training_pixel_weighs_one(weights: Any, expected: list[float] | None) -> None:
    weight = build(class_weights=weights)._weight
    assert (weight is None) == (expected is None)
    if weight is not None and expected is not None:
        np.testing.assert_allclose(weight.values, expected, rtol=1e-6)
        assert (weight.values * [0.1, 0.3, 0.6]).sum() == pytest.approx(1)


def test_positive_is_the_rarer_of_two_unless_named() -> None:
    assert build((60, 40)).positive == 1
    assert build((40, 60)).positive == 0
    assert build((40, 60), positive="sky").positive == 1
    with pytest.raises(DataError, match="no class 'sea'"):
        build((40, 60), positive="sea")
    with pytest.raises(DataError, match="chooses one of two classes, and there are 3"):
        build(positive="sky")


def test_condensed_answers_outcome_and_table_agree() -> None:
    task = build()
    out, target = batch()
    raw = {name: value.numpy() for name, value in task.activate(out).items()}
    condensed = task.condense(raw)
    assert {name: value.dtype for name, value in condensed.items()} == {"ids": np.uint8}
    np.testing.assert_array_equal(condensed["ids"], out.argmax(1).numpy())
    outcome = task.outcome(condensed, target.numpy())
    np.testing.assert_array_equal(outcome.prediction, task.outcome(raw, target.numpy()).prediction)
    columns = task.decode(condensed)
    assert list(columns) == ["mask", "share_tree", "share_sky", "share_road"]
    np.testing.assert_allclose(sum(columns[f"share_{label}"] for label in task.labels), 1)
    read = np.asarray(Image.open(io.BytesIO(columns["mask"][1]["bytes"])))
    np.testing.assert_array_equal(read, condensed["ids"][1])


def test_classes_are_drawn_in_their_colours_and_void_is_bare() -> None:
    grey = Image.new("RGB", (3, 1), (100, 100, 100))
    drawn = np.asarray(build().draw(grey, np.array([[0, 1, VOID]], np.uint8)))[0].tolist()
    assert drawn[2] == [100, 100, 100]
    assert len({tuple(colour) for colour in drawn}) == 3
    of_two = np.asarray(build((60, 40)).draw(grey, np.array([[0, 1, VOID]], np.uint8)))[0].tolist()
    assert of_two[0] == of_two[2] == [100, 100, 100]
    assert of_two[1] != [100, 100, 100]
