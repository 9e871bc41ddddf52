"""Several networks side by side: alone each is what the model builds, together they are averaged."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dlw.engine.inference import activate, row_losses
from dlw.models._ensemble import Ensemble
from dlw.verbs.evaluate import evaluate
from dlw.verbs.export import export
from tests.tasks.test_segmentation import batch, build
from tests.verbs import small_runs


class Bias(nn.Module):
    """Answers its only parameter for every row."""

    def __init__(self) -> None:
        super().__init__()
        self.value_2 = nn.Parameter(torch.randn(2))

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return self.value_2.expand(len(batch["number"]), 2)


def test_members_are_different_and_learn_alone() -> None:
    """Each member starts elsewhere, and a loss of one moves no other."""
    ensemble = Ensemble(Bias, 3)
    out = ensemble({"number": torch.zeros(5, 1)})
    assert out.shape == (5, 3, 2)
    assert len({tuple(row) for row in out[0].tolist()}) == 3
    out[:, 1].sum().backward()
    moved = [member.value_2.grad is not None and member.value_2.grad.abs().sum() > 0 for member in ensemble.members]
    assert moved == [False, True, False]


def test_members_of_members_lie_side_by_side() -> None:
    """A network that answers with members of its own keeps them all."""

    class Two(Bias):
        def forward(self, batch: dict[str, Tensor]) -> Tensor:
            return super().forward(batch).unsqueeze(1).repeat(1, 2, 1)

    assert Ensemble(Two, 3)({"number": torch.zeros(5, 1)}).shape == (5, 6, 2)


def test_every_verb_takes_a_recipe_with_an_ensemble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two networks and one answer: trained, judged and exported like one network."""
    monkeypatch.chdir(tmp_path)
    small_runs.people(tmp_path)
    run = small_runs.trained(tmp_path, small_runs.TABLE_RECIPE.replace("{type: mlp", "{type: mlp, ensemble: 2"))
    assert evaluate(run).rows == 24
    assert export(run).difference < 1e-4


def test_each_map_learns_by_its_own_loss_and_probabilities_are_averaged() -> None:
    """Not the logits: [B, M, K, H, W] of two members against each of them alone."""
    task = build()
    first, target = batch()
    second = first.flip(1) * 2
    both = torch.stack([first, second], dim=1)
    losses = (task.loss(first, target) + task.loss(second, target)) / 2
    torch.testing.assert_close(row_losses(both, target, task), losses)
    mean = (first.softmax(1) + second.softmax(1)) / 2
    torch.testing.assert_close(activate(both, task)["probabilities"], mean)
