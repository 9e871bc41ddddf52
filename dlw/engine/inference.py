"""From a network to answers: what validation, evaluation, prediction and every export share.

Shape legend: B rows, M ensemble members or mirror images, K outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from dlw.engine.allocator import Shelf
from dlw.engine.batches import Batch, Batches, Resident, sequential_plan
from dlw.engine.hardware import Hardware
from dlw.ragged import joined
from dlw.specs import INDEX, TARGET, Arrays, rows_at_once
from dlw.tasks._base import Task

if TYPE_CHECKING:
    from dlw.engine.team import Team

_LOSSES = "row losses"
"""Beside the named answers of a part."""


class Predictor(nn.Module):
    """A network with its task's activation: {group: tensor} -> {answer: tensor}; exports trace exactly this."""

    def __init__(self, network: nn.Module, task: Task) -> None:
        super().__init__()
        self.network = network
        self.task = task

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return named answers [B, ...]; members of an ensemble are averaged after the activation."""
        return activate(self.network(inputs), self.task)


def activate(out: Tensor, task: Task) -> dict[str, Tensor]:
    """Turn a network's output into the task's answers [B, ...] in float32."""
    out = out.float()
    if not _has_members(out, task):
        return task.conclude(task.activate(out))
    members = out.shape[1]
    answers = task.activate(out.flatten(0, 1))
    return task.conclude({name: answer.unflatten(0, (-1, members)).mean(dim=1) for name, answer in answers.items()})


def scores(out: Tensor, task: Task, place: int) -> Tensor:
    """Return the number [B] that the task explains; members of an ensemble are averaged."""
    out = out.float()
    if not _has_members(out, task):
        return task.score(out, place)
    return task.score(out.flatten(0, 1), place).unflatten(0, (-1, out.shape[1])).mean(dim=1)


def row_losses(out: Tensor, target: Tensor, task: Task) -> Tensor:
    """Return the loss of each row [B]; members of an ensemble learn one by one, their losses are averaged."""
    out = out.float()
    if not _has_members(out, task):
        return task.loss(out, target)
    members = out.shape[1]
    if task.compares_rows or task.output.classes:  # outside of training the latter are compared as well
        return torch.stack([task.loss(out[:, member], target) for member in range(members)]).mean(dim=0)
    losses = task.loss(out.flatten(0, 1), target.repeat_interleave(members, dim=0))
    return losses.unflatten(0, (-1, members)).mean(dim=1)


def answered_at_once(network: nn.Module, shapes: Iterable[Sequence[int]]) -> int:
    """Return how many rows a network answers in one piece; one that makes several of each says so."""
    return max(1, rows_at_once(shapes) // rows_a_row(network))


def rows_a_row(network: nn.Module) -> int:
    """Return how many rows a network makes of each that it is asked."""
    return max(int(getattr(part, "rows_a_row", 1)) for part in network.modules())


def _has_members(out: Tensor, task: Task) -> bool:
    return bool(task.output.axes) and out.ndim == task.output.axes + 1


class Answered(NamedTuple):
    """Answers to a split, condensed by the task; `losses` [N] and `target` [N, ...] where the batches hold a target."""

    answers: Arrays
    losses: np.ndarray | None
    target: np.ndarray | None


@torch.inference_mode()
def answer_batches(
    predictor: Predictor,
    batches: Batches,
    batch_size: int,
    hardware: Hardware | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
    team: Team | None = None,
    is_condensed: bool = True,
) -> Answered | None:
    """Answer every row, the answers condensed by the task; None if `is_stopped` turns true on the way.

    Ragged rows are answered from the shortest to the longest, so that a batch holds little fill; results are in order.
    A team answers the same batches as a process alone, every process some of them, and each gets all answers.
    """
    was_training = predictor.training
    predictor.eval()
    parts: list[Arrays] = []
    shelf = Shelf()
    plan = _answering_plan(batches, batch_size)
    try:
        for batch in batches.stream(dealt(plan, team) if team else plan):
            if is_stopped():
                return None
            with hardware.autocast() if hardware else nullcontext():
                out = predictor.network(_read_by(predictor.task, batch))
            part = _part(predictor.task, out, batch, is_condensed)
            parts.append({name: shelf.put(array) for name, array in part.items()})
    finally:
        predictor.train(was_training)
    if team:
        parts = collected(parts, sum(1 for _ in _answering_plan(batches, batch_size)), team)
    places = None if batches.lengths is None else np.argsort(_by_length(batches.lengths))
    whole = {name: _in_order(joined([part[name] for part in parts]), places) for name in parts[0]}
    losses, target = whole.pop(_LOSSES, None), whole.pop(TARGET, None)
    return Answered(whole, losses, target)


def _part(task: Task, out: Tensor, batch: Batch, is_condensed: bool) -> Arrays:
    """Return the answers to a batch and, where it holds a target, that and the losses."""
    is_judged = task.output.is_written and TARGET in batch
    told = task.judge(out, batch[TARGET]) if is_judged else activate(out, task)
    found = {name: answer.cpu().numpy() for name, answer in told.items()}
    if is_condensed:
        found = task.condense(found)
    if TARGET not in batch:
        return found
    return {**found, _LOSSES: row_losses(out, batch[TARGET], task).cpu().numpy(), TARGET: batch[TARGET].cpu().numpy()}


def dealt(plan: Iterator[np.ndarray], team: Team) -> Iterator[np.ndarray]:
    """Yield this process's batches of a plan: each in turn gets one. All get as many, so the last may come twice."""
    batches = list(plan)
    rounds = -(-len(batches) // team.size)
    for place in range(team.rank, rounds * team.size, team.size):
        yield batches[min(place, len(batches) - 1)]


def collected(parts: Sequence[Arrays], count: int, team: Team) -> list[Arrays]:
    """Return the answers to the `count` batches that were dealt, in order, from every process's parts."""
    from safetensors.numpy import load, save

    own = {f"{place} {name}": np.ascontiguousarray(a) for place, part in enumerate(parts) for name, a in part.items()}
    of_rank = [load(payload) for payload in team.gather(save(own))]
    names = list(parts[0])
    return [
        {name: of_rank[place % team.size][f"{place // team.size} {name}"] for name in names} for place in range(count)
    ]


def _read_by(task: Task, batch: Batch) -> Batch:
    """Return what a network reads of a batch: the inputs and, where it writes beside them, the target."""
    hidden = (INDEX,) if task.output.is_told else (INDEX, TARGET)
    return {name: tensor for name, tensor in batch.items() if name not in hidden}


def _answering_plan(batches: Batches, batch_size: int) -> Iterator[np.ndarray]:
    plan = sequential_plan(batches.num_rows, batch_size)
    if batches.lengths is None:
        return plan
    rows = _by_length(batches.lengths)
    return (rows[places] for places in plan)


def _by_length(lengths: np.ndarray) -> np.ndarray:
    return np.argsort(lengths, kind="stable")


def _in_order(values: np.ndarray, places: np.ndarray | None) -> np.ndarray:
    return values if places is None else values[places]


def answer_arrays(
    predictor: Predictor,
    arrays: Arrays,
    *,
    ragged: Mapping[str, str] | None = None,
    is_condensed: bool = False,
    team: Team | None = None,
) -> Arrays:
    """Answer rows held in memory, numpy in and numpy out, on the device the network is on.

    Networks that write are judged: their answers are about the target among the arrays. `ragged` maps the groups that
    may be cut to their longest row to their kinds.
    """
    device = next(predictor.parameters()).device
    output = predictor.task.output
    read = {name: array for name, array in arrays.items() if name != TARGET or output.is_written}
    batch_size = answered_at_once(predictor.network, [*(array.shape[1:] for array in read.values()), output.shape])
    rows = Resident(read, device, ragged)
    result = answer_batches(predictor, rows, batch_size, team=team, is_condensed=is_condensed)
    assert result is not None
    return result.answers
