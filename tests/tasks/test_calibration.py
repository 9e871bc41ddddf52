"""Temperature and threshold: found as by brute force, and the same in network, numpy and decision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from dlw.engine.inference import activate
from dlw.errors import DataError
from dlw.specs import FieldSpec, Outcome
from dlw.tasks import classification
from dlw.tasks._calibration import best_temperature, cheapest_threshold, tempered

TWO = FieldSpec("category", (1,), "int64", ("fraud",), (2,), ("no", "yes"), {"counts": [[94, 6]]})
THREE = FieldSpec("category", (1,), "int64", ("kind",), (3,), ("a", "b", "c"), {"counts": [[5, 3, 2]]})
LABELS = FieldSpec(
    "labels", (2,), "int8", ("x", "y"), labels=("x", "y"), statistics={"counts": [[60, 20, 20], [90, 10, 0]]}
)


def task(target: FieldSpec, **options: Any) -> Any:
    return classification.build(classification.Settings.model_validate(options), target)


def overconfident(kind: str, rows: int = 4000) -> Outcome:
    """Return answers whose true temperature is 2: logits twice as large as those that the truth was drawn from."""
    rng = np.random.default_rng(0)
    if kind == "classes":
        logits = rng.normal(size=(rows, 3))
        truth = (logits + rng.gumbel(size=logits.shape)).argmax(1)
        p = np.exp(2 * logits)
        return Outcome(kind, (p / p.sum(1, keepdims=True)).astype(np.float32), truth)
    logits = rng.normal(size=(rows, 2))
    truth = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.int8)
    truth[rng.random(logits.shape) < 0.2] = -1
    return Outcome(kind, (1 / (1 + np.exp(-2 * logits))).astype(np.float32), truth)


def log_loss(outcome: Outcome, temperature: float) -> float:
    choices = replace(outcome, prediction=tempered(outcome.prediction, outcome.kind, temperature)).choices
    p = np.take_along_axis(np.asarray(choices.prediction, np.float64), choices.target[:, None], axis=1)
    return float(-np.log(np.maximum(p, 1e-12)).mean())


@pytest.mark.parametrize("kind", ["classes", "labels"])
def test_the_temperature_is_the_one_of_the_least_log_loss(kind: str) -> None:
    """As scipy finds it on the same loss, and near the true one."""
    outcome = overconfident(kind)
    found = best_temperature(outcome)
    assert found == pytest.approx(2.0, rel=0.1)
    reference = minimize_scalar(lambda t: log_loss(outcome, t), bounds=(0.2, 8), method="bounded")
    assert found == pytest.approx(reference.x, rel=1e-3)


def test_a_split_without_a_mistake_asks_for_no_more_than_the_coldest() -> None:
    sure = Outcome("classes", np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1]))
    assert best_temperature(sure) == pytest.approx(0.1)
    assert best_temperature(replace(sure, target=1 - sure.target)) == pytest.approx(10)


@pytest.mark.parametrize(("target", "kind"), [(THREE, "classes"), (LABELS, "labels")])
@pytest.mark.parametrize("members", [1, 4])
def test_the_network_answers_at_the_temperature(target: FieldSpec, kind: str, members: int) -> None:
    """Logits over the temperature; of an ensemble the temperature changes the mean, not each member."""
    size = 3 if kind == "classes" else 2
    out = 3 * torch.randn(50, members, size, generator=torch.Generator().manual_seed(0))
    plain = activate(out, task(target))["probabilities"].numpy()
    found = activate(out, task(target, temperature=1.7))["probabilities"].numpy()
    assert found == pytest.approx(tempered(plain, kind, 1.7), abs=1e-6)
    if members == 1:
        divided = out[:, 0] / 1.7
        assert found == pytest.approx(
            (divided.softmax(-1) if kind == "classes" else divided.sigmoid()).numpy(), abs=1e-6
        )


def test_the_threshold_is_the_cheapest_of_all() -> None:
    """No threshold of a fine grid costs less, for several costs and with ties."""
    rng = np.random.default_rng(1)
    score = np.round(rng.random(300), 2)
    yes = rng.random(300) < score**2
    for wrong_yes, wrong_no in [(1, 1), (1, 20), (5, 1)]:
        found = cheapest_threshold(score, yes, wrong_yes, wrong_no)

        def cost(least: float, wrong_yes: float = wrong_yes, wrong_no: float = wrong_no) -> float:
            said = score >= least
            return float(wrong_yes * (said & ~yes).sum() + wrong_no * (~said & yes).sum())

        assert cost(found) == min(cost(least) for least in np.linspace(0, 1.01, 1000))
        assert 0 < found < 1


def test_equally_cheap_thresholds_go_by_the_true_probability() -> None:
    """Where every threshold between two scores costs the same, and where there are no rows."""
    assert cheapest_threshold(np.array([0.01, 0.9]), np.array([False, True]), 1, 19) == 0.05
    assert cheapest_threshold(np.zeros(0), np.zeros(0, bool), 1, 3) == 0.25


def test_calibrate_finds_what_is_asked_for() -> None:
    """The threshold is that of the probabilities at the temperature."""
    outcome = overconfident("labels")
    assert task(LABELS).calibrate(outcome) == {}
    warm = task(LABELS, calibrate="temperature", costs={"false_negative": 4}).calibrate(replace(outcome, costs=(1, 4)))
    assert warm["temperature"] == pytest.approx(2.0, rel=0.1)
    assert warm["threshold"] == pytest.approx({"x": 0.2, "y": 0.2}, abs=0.06)
    raw = task(LABELS, costs={"false_negative": 4}).calibrate(replace(outcome, costs=(1, 4)))
    assert raw["threshold"] == pytest.approx({"x": 0.06, "y": 0.06}, abs=0.05)


def test_a_threshold_decides_the_label() -> None:
    """For the positive of two classes, the rarer one; the probability shown is that of the label."""
    columns = task(TWO, threshold=0.3).decode({"probabilities": np.array([[0.69, 0.31], [0.71, 0.29]])})
    assert columns["label"] == ["yes", "no"]
    assert columns["probability"].tolist() == [0.31, 0.71]
    columns = task(TWO, threshold=0.3, positive="no").decode({"probabilities": np.array([[0.31, 0.69], [0.29, 0.71]])})
    assert columns["label"] == ["no", "yes"]


def test_thresholds_of_labels() -> None:
    """One number for all, or one for some; only then there are decisions among the columns."""
    answers = {"probabilities": np.array([[0.4, 0.6]])}
    assert [*task(LABELS).decode(answers)] == ["probability_x", "probability_y"]
    columns = task(LABELS, threshold={"x": 0.3}).decode(answers)
    assert (columns["is_x"].tolist(), columns["is_y"].tolist()) == ([True], [True])
    columns = task(LABELS, threshold=0.5).decode(answers)
    assert (columns["is_x"].tolist(), columns["is_y"].tolist()) == ([False], [True])


@pytest.mark.parametrize("options", [{"threshold": 0.3}, {"costs": {}}])
def test_more_than_two_classes_have_no_threshold(options: Any) -> None:
    with pytest.raises(DataError, match="threshold and costs: decide for or against one of two classes"):
        task(THREE, **options)


def test_thresholds_of_labels_that_are_not_there_are_refused() -> None:
    with pytest.raises(DataError, match="has no label 'z'"):
        task(LABELS, threshold={"z": 0.3})
    with pytest.raises(DataError, match="of two classes there is one threshold; write a number"):
        task(TWO, threshold={"yes": 0.3})


def test_another_predictor_is_given_the_same_search() -> None:
    """A baseline that is too sure is cooled and decided by its own answers for validation."""
    outcome = overconfident("labels")
    asked = task(LABELS, calibrate="temperature", costs={"false_negative": 4}, temperature=9.0, threshold=0.9)
    own = replace(outcome, thresholds=(0.9, 0.9), costs=(1, 4))
    found = asked.decide_alike(own, own)
    assert found.prediction == pytest.approx(tempered(outcome.prediction, "labels", 2.0), abs=0.03)
    assert found.thresholds == pytest.approx((0.2, 0.2), abs=0.06)
