"""Adversarial training: what is pushed, how far, and what is learned from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dlw.engine import loop, optimizers, schedules
from dlw.engine.adversary import Adversary
from dlw.engine.progress import Plan, Progress
from dlw.errors import UsageError
from dlw.models._steps import Pool, Tokens
from dlw.recipe.schema import SGD, Train
from dlw.specs import FieldSpec
from dlw.verbs.train import train
from tests.engine.test_loop import make_job
from tests.verbs import small_runs

SPEC = FieldSpec("tokens", (5,), "int32", ("text",), (9,), is_ragged=True)
IDS = torch.tensor([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]])
TARGET = torch.tensor([[1.0], [-1.0]])


class Reader(nn.Module):
    """Words, their mean, and a linear layer: [B, 1]."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.entry = Tokens(SPEC, 4, 0.0)
        self.pool = Pool("mean", 4)
        self.output = nn.Linear(4, 1)
        self.seen: list[Tensor] = []

    def forward(self, ids_BT: Tensor) -> Tensor:
        x_BTD, is_step_BT = self.entry(ids_BT)
        self.seen.append(x_BTD.detach())
        return self.output(self.pool(x_BTD, is_step_BT))


def losses(network: Reader) -> Tensor:
    return (network(IDS) - TARGET).square().mean(1)


def ask_twice(network: Reader) -> None:
    """Ask plainly, then pushed."""
    adversary = Adversary(network, 0.5)
    with adversary.watching():
        loss = losses(network).mean()
    loss.backward()
    with adversary.pushing():
        losses(network)


def test_each_row_is_pushed_so_far_towards_a_larger_loss_and_fill_is_not() -> None:
    network = Reader()
    adversary = Adversary(network, 0.5)
    with adversary.watching():
        plain = losses(network)
    plain.mean().backward()
    with adversary.pushing():
        pushed = losses(network)
    losses(network)
    before, while_pushed, after = network.seen
    push = while_pushed - before
    lengths = [before[0, :3].norm(), before[1].norm()]
    torch.testing.assert_close(push.flatten(1).norm(dim=1), 0.5 * torch.stack(lengths))
    assert not push[0, 3:].any(), "behind the end of the first row"
    assert (pushed > plain).all()
    assert torch.equal(before, after), "only while it lasts"


def test_a_row_that_the_loss_does_not_depend_on_stays() -> None:
    network = Reader()
    nn.init.zeros_(network.output.weight)
    ask_twice(network)
    assert torch.equal(*network.seen)


def test_words_that_do_not_learn_are_pushed_as_well() -> None:
    network = Reader()
    network.entry.requires_grad_(False)
    ask_twice(network)
    assert not torch.equal(*network.seen)
    assert network.entry.vectors.weight.grad is None


def test_the_members_of_an_ensemble_are_pushed_each_its_way() -> None:
    """Layers are told apart by the order in which they are asked."""
    members = nn.ModuleList([Reader(), Reader()])
    with torch.no_grad():
        members[1].output.weight.neg_()
    adversary = Adversary(members, 0.5)
    with adversary.watching():
        loss = torch.stack([losses(one).mean() for one in members]).sum()  # type: ignore[arg-type]
    loss.backward()
    with adversary.pushing():
        for one in members:
            losses(one)  # type: ignore[arg-type]
    first, second = ((one.seen[1] - one.seen[0]) for one in members)
    torch.testing.assert_close(first, -second)


def test_a_model_without_words_is_refused(tmp_path: Path) -> None:
    small_runs.people(tmp_path)
    path = tmp_path / "small.yaml"
    path.write_text(small_runs.TABLE_RECIPE.replace("train: {", "train: {adversarial: 0.1, "))
    with pytest.raises(
        UsageError, match=r"train\.adversarial pushes vectors of words, and this model lets none be pushed"
    ):
        train(path, out=tmp_path / "run")


class Numbers(nn.Module):
    """A linear layer from numbers to one vector, as if it were a word's, and its sum."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.vector = nn.Linear(6, 4)

    def words(self) -> nn.Module:
        return self.vector

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.vector(inputs["number"]).square().sum(1, keepdim=True)


def test_a_step_follows_the_mean_of_both_gradients() -> None:
    made, network, size = make_job(Train(epochs=1, batch_size=20)), Numbers(), 0.3
    optimizer = optimizers.build(SGD(lr=0.001, momentum=0, weight_decay=0), network)
    job = replace(made, network=network, optimizer=optimizer, adversary=Adversary(network, size))
    plan, progress = Plan(job.settings, "1 epoch", 80), Progress()
    (batch,) = loop.training_batches(job, plan, progress, 1)
    other, target = Numbers(), batch["target"]
    vector = other.vector(batch["number"])
    plain = (vector.square().sum(1, keepdim=True) - target).square().mean()
    (slope,) = torch.autograd.grad(plain, vector, retain_graph=True)
    push = size * vector.detach().norm(dim=1, keepdim=True) * slope / slope.norm(dim=1, keepdim=True)
    pushed = ((vector + push).square().sum(1, keepdim=True) - target).square().mean()
    ((plain + pushed) / 2).backward()
    assert other.vector.weight.grad is not None
    rate = 0.001 * schedules.factor(job.scheduler, 0, plan.total_steps)
    wanted = other.vector.weight - rate * other.vector.weight.grad
    loop.learn(job, plan, progress, iter([batch]))
    torch.testing.assert_close(network.vector.weight, wanted)
    assert progress.interval_loss()["train/loss"] == pytest.approx(plain.item()), "what is told is the plain loss"
