"""Classification: losses by their formulas, weights that keep the average row at 1, gaps that count nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError

from dlw.errors import DataError
from dlw.specs import FieldSpec
from dlw.tasks import classification

COUNTS = [50, 30, 20]
CLASSES = FieldSpec("category", (1,), "int64", ("kind",), (3,), ("a", "b", "c"), {"counts": [COUNTS]})
TWO = FieldSpec("category", (1,), "int64", ("fraud",), (2,), ("no", "yes"), {"counts": [[94, 6]]})
LABELS = FieldSpec(
    "labels", (2,), "int8", ("x", "y"), labels=("x", "y"), statistics={"counts": [[60, 20, 20], [90, 10, 0]]}
)
OUT = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, 0.3], [-1.0, 3.0, 0.0]])
TRUTH = torch.tensor([0, 2, 1])


def task(target: FieldSpec = CLASSES, **options: Any) -> Any:
    return classification.build(classification.Settings(**options), target)


def test_plain_loss_is_cross_entropy() -> None:
    assert torch.equal(task().loss(OUT, TRUTH), F.cross_entropy(OUT, TRUTH, reduction="none"))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_focal_loss_at_a_tiny_gamma_is_cross_entropy(smoothing: float) -> None:
    """Both code paths agree where they meet."""
    near = task(focal_gamma=1e-12, label_smoothing=smoothing).loss(OUT, TRUTH)
    assert torch.allclose(near, task(label_smoothing=smoothing).loss(OUT, TRUTH), atol=1e-6)


def test_focal_loss_by_its_formula() -> None:
    p = OUT.softmax(1)[torch.arange(3), TRUTH]
    assert torch.allclose(task(focal_gamma=2.0).loss(OUT, TRUTH), -((1 - p) ** 2) * p.log(), atol=1e-6)


@pytest.mark.parametrize("weights", ["balanced", {"c": 5.0}])
def test_class_weights_average_one_over_rows(weights: Any) -> None:
    """The ratio between classes is as asked, the average training row weighs 1."""
    weight = (task(class_weights=weights).loss(OUT[:1].expand(3, 3), torch.arange(3))) / task().loss(
        OUT[:1].expand(3, 3), torch.arange(3)
    )
    assert float((weight * torch.tensor(COUNTS)).sum() / 100) == pytest.approx(1.0, rel=1e-6)
    assert float(weight[2] / weight[0]) == pytest.approx(2.5 if weights == "balanced" else 5.0, rel=1e-5)


def test_gaps_cost_nothing_and_every_known_entry_weighs_the_same() -> None:
    """A batch's sum of row losses, times the average number known per row, is the sum over its known entries."""
    out = torch.tensor([[1.0, -2.0], [0.5, 0.5], [3.0, 1.0]])
    truth = torch.tensor([[1, 0], [-1, 1], [-1, -1]], dtype=torch.int8)
    losses = task(LABELS).loss(out, truth)
    entries = F.binary_cross_entropy_with_logits(out, (truth > 0).float(), reduction="none")[truth >= 0]
    assert losses[2] == 0.0
    assert float(losses.sum() * 1.8) == pytest.approx(float(entries.sum()), rel=1e-6)


@pytest.mark.parametrize("weights", ["balanced", {"y": 4.0}])
def test_label_weights_average_one_over_known_entries(weights: Any) -> None:
    """Per label, over its known training rows, whatever the ratio of yes to no."""
    out = torch.zeros(1, 2)

    def losses(chosen: Any) -> torch.Tensor:
        rows = [[1, -1], [0, -1], [-1, 1], [-1, 0]]
        return torch.stack([task(LABELS, class_weights=chosen).loss(out, torch.tensor([row]))[0] for row in rows])

    weight = losses(weights) / losses(None)
    assert float((weight[:2] * torch.tensor([20.0, 60.0])).sum() / 80) == pytest.approx(1.0, rel=1e-5)
    assert float((weight[2:] * torch.tensor([10.0, 90.0])).sum() / 100) == pytest.approx(1.0, rel=1e-5)
    assert float(weight[2] / weight[3]) == pytest.approx(9.0 if weights == "balanced" else 4.0, rel=1e-5)


@pytest.mark.parametrize(("options", "expected"), [({}, 1), ({"positive": "no"}, 0)])
def test_the_positive_class_is_the_rarer_one_unless_named(options: dict[str, str], expected: int) -> None:
    assert task(TWO, **options).outcome({"probabilities": np.zeros((1, 2))}, np.zeros(1)).positive == expected


@pytest.mark.parametrize("options", [{"positive": "yess"}, {"class_weights": {"yess": 2.0}}])
def test_an_unknown_label_is_named_with_the_nearest(options: Any) -> None:
    with pytest.raises(DataError, match=r"fraud has no label 'yess'; did you mean yes\? \(it has no, yes\)"):
        task(TWO, **options)


def test_positive_is_refused_where_it_has_no_effect() -> None:
    with pytest.raises(DataError, match="positive: chooses one of two classes, and there are 3 labels"):
        task(CLASSES, positive="a")


@pytest.mark.parametrize("options", [{"class_weights": {"a": 0.0}}, {"focal_gamma": -1}, {"label_smoothing": 1.0}])
def test_settings_out_of_range_are_refused(options: Any) -> None:
    with pytest.raises(ValidationError):
        classification.Settings(**options)


def test_decoded_columns() -> None:
    """The label, its probability, and every class by name."""
    columns = task().decode({"probabilities": np.array([[0.2, 0.7, 0.1]], np.float32)})
    assert columns["label"] == ["b"]
    assert columns["probability"].tolist() == [np.float32(0.7)]
    assert [*columns][2:] == ["probability_a", "probability_b", "probability_c"]
    assert [*task(LABELS).decode({"probabilities": np.zeros((1, 2))})] == ["probability_x", "probability_y"]


def test_many_classes_decode_without_a_column_each() -> None:
    names = tuple(f"c{index}" for index in range(101))
    target = FieldSpec("category", (1,), "int64", ("kind",), (101,), names)
    assert [*task(target).decode({"probabilities": np.zeros((1, 101))})] == ["label", "probability"]
