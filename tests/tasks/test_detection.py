"""detection: who learns which box, greedy suppression inside the graph, objects in the order of places, drawings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dlw.specs import FieldSpec
from dlw.tasks import _boxes, detection
from dlw.tasks._drawing import colour, frame

TARGET = FieldSpec("boxes", (3, 5), "float32", labels=("cat", "dog"), statistics={"picture": [[64, 32]]})


def task(**options: Any) -> detection.DetectionTask:
    return detection.build(detection.Settings(**options), TARGET)


def out(*places: tuple[list[float], list[float]], middle: tuple[float, float] = (4.0, 4.0)) -> torch.Tensor:
    """Return one row of places with the given boxes and logits."""
    return torch.tensor([[[*middle, 8.0, *box, *logits] for box, logits in places]])


def greedy(boxes: torch.Tensor, classes: torch.Tensor, largest: float) -> list[int]:
    """Suppress as everybody writes it, boxes best first."""
    drops = (_boxes.overlap(boxes[:, None], boxes)[0] > largest) & (classes[:, None] == classes)
    kept: list[int] = []
    for place in range(len(boxes)):
        if not drops[place, kept].any():
            kept.append(place)
    return kept


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("largest", [0.1, 0.5, 0.7])
def test_suppression_is_greedy(seed: int, largest: float) -> None:
    random = torch.Generator().manual_seed(seed)
    corner = 60 * torch.rand(2, 200, 2, generator=random)
    boxes = torch.cat([corner, corner + 5 + 25 * torch.rand(2, 200, 2, generator=random)], dim=2)
    classes = torch.randint(0, 2, (2, 200), generator=random)
    kept = _boxes.apart(boxes, classes, largest)
    for row in range(2):
        assert kept[row].nonzero()[:, 0].tolist() == greedy(boxes[row], classes[row], largest)


def test_suppression_is_greedy_along_a_chain_of_as_many_boxes_as_rounds() -> None:
    """Each box overlaps only its neighbours, so that every second one stays."""
    left = 4.0 * torch.arange(_boxes.ROUNDS)
    boxes = torch.stack([left, 0 * left, left + 6, 0 * left + 6], dim=1)[None]
    kept = _boxes.apart(boxes, torch.zeros(1, _boxes.ROUNDS), 0.15)
    assert kept[0].tolist() == [place % 2 == 0 for place in range(_boxes.ROUNDS)]


def test_objects_are_in_the_order_of_places_and_the_rest_is_filled() -> None:
    places = [
        ([-9.0, 2.0, 20.0, 40.0], [-9.0, 1.0]),
        ([0.0, 2.0, 20.0, 31.0], [-9.0, 0.5]),  # the same dog, worse
        ([0.0, 2.0, 20.0, 32.0], [2.0, -9.0]),  # a cat at the dog's place
        ([40.0, 2.0, 50.0, 9.0], [-9.0, -5.0]),  # too improbable
    ]
    objects = task(max_objects=5, min_score=0.05).activate(out(*places))["objects"]
    assert objects.shape == (1, 5, 6)
    assert objects[0, :2, :5].tolist() == [[1, 0, 2, 20, 32], [0, 0, 2, 20, 32]]
    assert objects[0, :2, 5].tolist() == pytest.approx([0.7311, 0.8808], abs=1e-4)
    assert objects[0, 2:].tolist() == [[-1, 0, 0, 0, 0, 0]] * 3


def test_the_best_are_answered_where_there_is_not_room_for_all() -> None:
    places = [([10.0 * x, 0, 10.0 * x + 9, 9], [score, -9.0]) for x, score in enumerate([1.0, 3.0, 0.0, 2.0])]
    objects = task(max_objects=2).activate(out(*places))["objects"]
    assert objects[0, :, 1].tolist() == [10, 30]


def test_a_box_is_learned_by_the_places_that_fit_it_best_and_each_place_by_one_box() -> None:
    truth = torch.tensor([[[0, 0, 0, 16, 16], [1, 0, 0, 8, 8], [-1, 0, 0, 0, 0]]]).float()
    places = out(
        ([0, 0, 16, 16], [0.0, 0.0]),
        ([1, 1, 8, 8], [0.0, 0.0]),
        ([0, 0, 12, 16], [0.0, 0.0]),
        ([0, 0, 1, 1], [9.0, 9.0]),
    )
    points = _boxes.take_apart(places)
    owner, quality = _boxes.assign(points, truth, top=2)
    assert owner[0, :3].tolist() == [0, 1, 0]
    assert quality[0].tolist() == pytest.approx([1.0, 49 / 64, 0.75**6, 0.0], abs=1e-4)


def test_a_box_smaller_than_a_place_is_learned() -> None:
    truth = torch.tensor([[[0, 1.0, 1, 2, 2]]])
    _, quality = _boxes.assign(_boxes.take_apart(out(([0, 0, 8, 8], [0.0, 0.0]))), truth, top=2)
    assert quality.item() > 0


def test_a_picture_without_boxes_has_a_loss_that_only_lowers_scores() -> None:
    places = out(([0, 0, 16, 16], [1.0, -1.0])).requires_grad_()
    loss = task().loss(places, torch.full((1, 3, 5), -1.0))
    loss.sum().backward()
    assert places.grad is not None
    assert (places.grad[..., 7:] > 0).all()
    assert (places.grad[..., :7] == 0).all()


@pytest.mark.parametrize(
    ("other", "shared", "generalised"),
    [([0, 0, 4, 4], 1, 1), ([0, 0, 4, 2], 0.5, 0.5), ([4, 0, 8, 4], 0, 0), ([8, 0, 12, 4], 0, -1 / 3)],
)
def test_overlap_by_hand(other: list[float], shared: float, generalised: float) -> None:
    one, two = torch.tensor([0.0, 0, 4, 4]), torch.tensor(other).float()
    assert _boxes.overlap(one, two)[0].item() == pytest.approx(shared)
    assert _boxes.generalised_overlap(one, two).item() == pytest.approx(generalised)


def test_listed_objects_are_probable_and_the_best_comes_first() -> None:
    answers = np.array([[[0, 1, 2, 11, 22, 0.5], [1, 0, 0, 5, 5, 0.9], [1, 0, 0, 6, 6, 0.1], [-1, 0, 0, 0, 0, 0]]])
    columns = task(shown_score=0.3).decode({"objects": answers.astype(np.float32)})
    assert columns["found"] == ["1 cat, 1 dog"]
    assert columns["objects"] == [
        [
            {"category_name": "dog", "bbox": [0, 0, 5, 5], "score": 0.9},
            {"category_name": "cat", "bbox": [1, 2, 10, 20], "score": 0.5},
        ]
    ]


@pytest.mark.parametrize("layer", [[[1, 8, 12, 40, 30, 0.9], [0, 0, 0, 9, 9, 0.1]], [[1, 8, 12, 40, 30], [-1] * 5]])
def test_objects_and_true_boxes_are_framed_in_the_colour_of_their_class(layer: list[list[float]]) -> None:
    drawn = np.asarray(task().draw(Image.new("RGB", (64, 32)), np.array(layer, np.float32)))
    assert (drawn[30, 8:41] == colour(1)).all()
    assert (drawn[12:31, 40] == colour(1)).all()
    assert (drawn[:5, :5] == 0).all()


def test_the_text_of_a_box_at_the_right_stays_inside_the_picture() -> None:
    framed = np.asarray(frame(Image.new("RGB", (60, 60)), np.array([[55.0, 40.0, 59.0, 59.0]]), [0], ["7 0.88"]))
    is_label = (framed[:40] == colour(0)).all(axis=2).any(axis=0)
    assert is_label.sum() > 20
