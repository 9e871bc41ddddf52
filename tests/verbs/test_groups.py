"""Gaps between groups: the largest difference of a metric, between groups that say enough, with its interval."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import recall_score

from dlw.recipe.schema import Recipe
from dlw.specs import Outcome
from dlw.verbs import _groups
from dlw.verbs._scores import Gap, Group

RECIPE = Recipe.model_validate(
    {
        "name": "fair",
        "task": "classification",
        "data": {"source": "x.csv", "target": {"y": "category"}},
        "model": "mlp",
        "evaluate": {"bootstrap": 400},
    }
)
RATES = {"a": (0.5, 0.9, 0.2), "b": (0.3, 0.6, 0.1), "c": (0.4, 0.8, 0.15)}
"""For each group the share of positives, and what of the positives and of the negatives is called positive."""


def people(rows: int, seed: int = 0, small: int = 0) -> tuple[Outcome, np.ndarray]:
    """Return decisions about three groups, and the group of each row; `small` more rows of a fourth, all refused."""
    rng = np.random.default_rng(seed)
    group = np.concatenate([rng.choice(list(RATES), rows), np.full(small, "d")])
    rates = np.array([RATES.get(name, (0.5, 0.0, 0.0)) for name in group])
    truth = rng.random(len(group)) < rates[:, 0]
    said = rng.random(len(group)) < np.where(truth, rates[:, 1], rates[:, 2])
    return Outcome("classes", np.eye(2)[said.astype(int)] * 0.8 + 0.1, truth.astype(np.int64)), group


def sliced(outcome: Outcome, group: np.ndarray) -> tuple[tuple[Group, ...], dict[str, Gap]]:
    metrics = _groups.slice_metrics(outcome, {}, ["accuracy"])
    groups, gaps = _groups.sliced(outcome, pa.table({"group": group}), metrics, RECIPE)
    return groups, {gap.metric: gap for gap in gaps}


def test_gaps_are_the_differences_that_fairness_speaks_of() -> None:
    """Demographic parity and equal opportunity by their definitions, from the rows of each group."""
    outcome, group = people(2000)
    said = outcome.prediction.argmax(1)
    groups, gaps = sliced(outcome, group)
    assert [each.value for each in groups] == ["a", "b", "c"]
    rates = {
        "selection_rate": [said[group == name].mean() for name in "abc"],
        "tpr": [recall_score(outcome.target[group == name], said[group == name]) for name in "abc"],
        "fpr": [1 - recall_score(outcome.target[group == name] == 0, said[group == name] == 0) for name in "abc"],
    }
    for metric, of_group in rates.items():
        gap = gaps[metric]
        assert gap.difference.value == pytest.approx(max(of_group) - min(of_group))
        assert (gap.highest, gap.lowest) == ("a", "b")
        assert gap.difference.low < gap.difference.value < gap.difference.high
    assert gaps["selection_rate"].name == "demographic parity difference"
    assert gaps["tpr"].name == "equal opportunity difference"
    assert gaps["accuracy"].name == ""


def test_a_gaps_interval_is_that_of_a_difference_of_two_shares() -> None:
    """About 1.96 standard deviations to each side, the groups drawn apart."""
    outcome, group = people(3000)
    gap = sliced(outcome, group)[1]["selection_rate"]
    said = outcome.prediction.argmax(1)
    shares = [(said[group == name].mean(), (group == name).sum()) for name in (gap.highest, gap.lowest)]
    reach = 1.96 * math.sqrt(sum(share * (1 - share) / count for share, count in shares))
    assert gap.difference.high - gap.difference.value == pytest.approx(reach, rel=0.15)
    assert gap.difference.value - gap.difference.low == pytest.approx(reach, rel=0.15)


def test_a_group_of_few_rows_is_left_out_and_told() -> None:
    groups, gaps = sliced(*people(600, small=12))
    assert [each.is_small for each in groups] == [False, False, False, True]
    assert all(gap.left_out == ("d",) and "d" not in (gap.highest, gap.lowest) for gap in gaps.values())
    (told,) = _groups.warnings(groups, tuple(gaps.values()))
    assert told == "slice group = d: 12 rows, fewer than 30: its scores say little"


def test_a_group_with_few_positives_has_no_part_in_the_gap_of_their_rate() -> None:
    """Two hundred rows say enough about how many are chosen, and five positives among them little about who is."""
    outcome, group = people(600)
    rare = Outcome("classes", np.tile([0.9, 0.1], (200, 1)), (np.arange(200) < 5).astype(np.int64))
    both = Outcome(
        "classes",
        np.concatenate([outcome.prediction, rare.prediction]),
        np.concatenate([outcome.target, rare.target]),
    )
    groups, gaps = sliced(both, np.concatenate([group, np.full(200, "rare")]))
    assert (gaps["tpr"].left_out, gaps["fpr"].left_out, gaps["selection_rate"].left_out) == (("rare",), (), ())
    (told,) = _groups.warnings(groups, tuple(gaps.values()))
    assert told == "slice group: the gap of tpr leaves out rare: fewer than 30 rows count for it there"


def test_a_gap_of_fewer_than_two_groups_is_undefined() -> None:
    outcome, _ = people(50)
    gap = sliced(outcome, np.full(50, "all"))[1]["accuracy"]
    assert math.isnan(gap.difference.value)
    assert math.isnan(gap.difference.high)
    assert (gap.highest, gap.lowest) == ("", "")
