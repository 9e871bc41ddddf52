"""anomaly: normal rows alone teach, labels that training lacks are strange, the threshold is a quantile."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from dlw.errors import DataError
from dlw.specs import FieldSpec
from dlw.tasks import anomaly

# "crack" is declared, but no training row has it.
TARGET = FieldSpec("category", (), "int64", ("kind",), (3,), ("fine", "crack", "new"), {"counts": [[5, 0, 3]]})


def task(**options: object) -> anomaly.AnomalyTask:
    return anomaly.build(anomaly.Settings.model_validate(options), TARGET)


def test_strange_rows_teach_nothing() -> None:
    out = torch.rand(4, 1, 2, 3)
    target = torch.tensor([0, 1, 2, 2**61 + 5])
    losses = task().loss(out, target)
    torch.testing.assert_close(losses, out.mean((1, 2, 3)) * torch.tensor([1.0, 0.0, 1.0, 0.0]))


def test_labels_without_training_rows_are_strange() -> None:
    answers = {"score": np.arange(4.0), "heat_map": np.zeros((4, 1, 1))}
    outcome = task().outcome(answers, np.array([0, 1, 2, 2**61 + 5]))
    assert outcome.target.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(("score", "wanted"), [("mean", 2.0), ("max", 200.0), ("top", 150.0)])
def test_scores_sum_the_errors_up(score: str, wanted: float) -> None:
    out = torch.zeros(1, 1, 10, 20)
    out[0, 0, 0, :2] = torch.tensor([100.0, 200.0])
    out += (2.0 - out.mean()) if score == "mean" else 0.0
    assert task(score=score).activate(out)["score"].item() == pytest.approx(wanted)


def test_smoothing_averages_over_a_square_that_stays_on_the_map() -> None:
    out = torch.zeros(1, 1, 5, 5)
    out[0, 0, 0, 0] = 36.0
    heat = task(smooth=3).activate(out)["heat_map"][0]
    assert heat[0, 0].item() == 9.0
    assert heat[1, 1].item() == 4.0
    assert heat[2, 2].item() == 0.0


def test_the_threshold_is_a_quantile_of_the_normal_rows() -> None:
    made = task(quantile=0.5)
    answers = {"score": np.array([1.0, 2.0, 3.0, 90.0]), "heat_map": np.zeros((4, 1, 1))}
    assert made.calibrate(made.outcome(answers, np.array([0, 0, 2, 1]))) == {"threshold": 2.0}
    assert made.calibrate(made.outcome(answers, np.array([1, 1, 1, 1]))) == {}
    assert "is_anomaly" not in made.decode(answers)
    assert task(threshold=2.0).decode(answers)["is_anomaly"].tolist() == [False, False, True, True]


def test_a_normal_label_needs_training_rows() -> None:
    with pytest.raises(DataError, match="no training row of kind is 'crack', 'dent'"):
        task(normal=["fine", "crack", "dent"])


def test_heat_is_drawn_where_the_error_is() -> None:
    heat = np.zeros((2, 2), np.float16)
    heat[0, 0] = 5.0
    drawn = np.asarray(task().draw(Image.new("RGB", (8, 8)), heat))
    assert drawn[0, 0].tolist() == [255, 0, 0]
    assert drawn[7, 7].tolist() == [0, 0, 0]
