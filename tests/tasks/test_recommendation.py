"""recommendation: the loss by hand, seen items never answered, ranks, titles."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from dlw import registry
from dlw.metrics._base import value_of
from dlw.specs import LOWEST, FieldSpec
from dlw.tasks import recommendation

TARGET = FieldSpec(
    "tokens", (3,), "int32", sizes=(5,), labels=("a", "b", "c", "d"), is_ragged=True,
    statistics={"counts": [[8, 4, 2, 2]], "titles": [["A", "B", "C", "D"]]},
)  # fmt: skip


def task(**options: object) -> recommendation.RecommendationTask:
    return recommendation.build(recommendation.Settings(**options), TARGET)


def test_the_loss_of_training_is_the_mean_over_the_steps_that_have_an_item() -> None:
    out = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([[1, 4], [2, 0]], dtype=torch.int32)
    wanted = F.cross_entropy(torch.stack([out[0, 0], out[0, 1], out[1, 0]]), torch.tensor([0, 3, 1]))
    torch.testing.assert_close(task().loss(out, target).mean(), wanted)


def test_the_loss_of_a_judged_row_is_that_of_its_last_item_and_none_for_an_unseen_one() -> None:
    out = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([[1, 2, 0], [3, 0, 0], [5, 0, 0]], dtype=torch.int32)
    wanted = F.cross_entropy(out[:2], torch.tensor([1, 2]), reduction="none") * 3 / 2
    torch.testing.assert_close(task().loss(out, target), torch.cat([wanted, torch.zeros(1)]))


def test_rankings_leave_out_what_scores_lowest() -> None:
    answers = {"scores": np.array([[0.5, LOWEST, 0.7, 0.5], [LOWEST] * 4], np.float32)}
    outcome = task().outcome(answers, np.array([[4, 0], [5, 0]], np.int32))
    assert outcome.prediction.tolist() == [[2, 0, 3, -1], [-1] * 4]
    assert outcome.target.tolist() == [3, -1]
    found = {name: value_of(registry.load("metrics", name), outcome) for name in task().metrics}
    assert found["hit_rate_at_10"] == 0.5
    assert found["ndcg_at_10"] == 0.25
    assert found["mrr"] == 1 / 6
    assert found["item_coverage"] == 0.75
    assert found["novelty"] == (3 + 1 + 3) / 3 / 2


def test_predictions_name_the_best_items() -> None:
    columns = task(top=2).decode({"scores": np.array([[0.5, LOWEST, 0.75, 0.5], [LOWEST, LOWEST, 1, LOWEST]])})
    assert columns == {
        "items": [["c", "a"], ["c"]],
        "titles": [["C", "A"], ["C"]],
        "scores": [[0.75, 0.5], [1.0]],
    }


def test_only_the_best_hundred_are_kept_in_order() -> None:
    score = np.random.default_rng(0).normal(size=(3, 500)).round(1).astype(np.float32)
    kept = task().condense({"scores": score})
    assert kept["items"].shape == (3, 100)
    assert np.array_equal(kept["items"], np.argsort(-score, axis=1, kind="stable")[:, :100])
