"""From a network to answers: what validation, evaluation, prediction and every export share.

Shape legend: B rows, M ensemble members, K outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from dlw.engine.batches import Batch, Batches, Resident, sequential_plan
from dlw.engine.hardware import Hardware
from dlw.ragged import joined
from dlw.specs import INDEX, TARGET, Arrays, rows_at_once
from dlw.tasks._base import Task


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


def row_losses(out: Tensor, target: Tensor, task: Task) -> Tensor:
    """Return the loss of each row [B]; members of an ensemble learn one by one, their losses are averaged."""
    out = out.float()
    if not _has_members(out, task):
        return task.loss(out, target)
    members = out.shape[1]
    losses = task.loss(out.flatten(0, 1), target.repeat_interleave(members, dim=0))
    return losses.unflatten(0, (-1, members)).mean(dim=1)


def _has_members(out: Tensor, task: Task) -> bool:
    return task.output.kind == "vector" and out.ndim == 3


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
    is_condensed: bool = True,
) -> Answered | None:
    """Answer every row, the answers condensed by the task; None if `is_stopped` turns true on the way.

    Ragged rows are answered from the shortest to the longest, so that a batch holds little fill; results are in order.
    """
    was_training = predictor.training
    predictor.eval()
    answers: list[Arrays] = []
    losses: list[Tensor] = []
    targets: list[Tensor] = []
    try:
        for batch in batches.stream(_answering_plan(batches, batch_size)):
            if is_stopped():
                return None
            with hardware.autocast() if hardware else nullcontext():
                out = predictor.network(_read_by(predictor.task, batch))
            is_judged = predictor.task.output.is_written and TARGET in batch
            told = predictor.task.judge(out, batch[TARGET]) if is_judged else activate(out, predictor.task)
            found = {name: answer.cpu().numpy() for name, answer in told.items()}
            answers.append(predictor.task.condense(found) if is_condensed else found)
            if TARGET in batch:
                losses.append(row_losses(out, batch[TARGET], predictor.task))
                targets.append(batch[TARGET])
    finally:
        predictor.train(was_training)
    places = None if batches.lengths is None else np.argsort(_by_length(batches.lengths))
    answered = {name: _in_order(joined([part[name] for part in answers]), places) for name in answers[0]}
    if not targets:
        return Answered(answered, None, None)
    target = joined([target.cpu().numpy() for target in targets])
    return Answered(answered, _in_order(torch.cat(losses).cpu().numpy(), places), _in_order(target, places))


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
    predictor: Predictor, arrays: Arrays, *, ragged: Mapping[str, str] | None = None, is_condensed: bool = False
) -> Arrays:
    """Answer rows held in memory, numpy in and numpy out, on the device the network is on.

    Networks that write are judged: their answers are about the target among the arrays. `ragged` maps the groups that
    may be cut to their longest row to their kinds.
    """
    device = next(predictor.parameters()).device
    output = predictor.task.output
    read = {name: array for name, array in arrays.items() if name != TARGET or output.is_written}
    batch_size = rows_at_once([*(array.shape[1:] for array in read.values()), output.shape])
    result = answer_batches(predictor, Resident(read, device, ragged), batch_size, is_condensed=is_condensed)
    assert result is not None
    return result.answers
