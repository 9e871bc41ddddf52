"""One job over a team: each process learns from its share of every batch, and all take the same step.

Replicated (DDP): every process holds all weights, gradients are averaged while they are computed. Sharded (FSDP2):
every process holds a part of each weight and of the optimizer's state, and fetches the rest layer by layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from dlw.engine import optimizers
from dlw.engine.loop import Job
from dlw.engine.shared_norm import share_norms
from dlw.engine.team import Team
from dlw.errors import UsageError
from dlw.models._base import Filled, Refitted
from dlw.recipe.schema import SGD, AdamW, Muon

Tensors = dict[str, Tensor]


class Spread(Protocol):
    """How a team takes a step."""

    team: Team

    def __call__(self, inputs: Tensors) -> Tensor:
        """Return the network's output for this process's rows."""
        ...

    def exchange(self, is_last: bool) -> None:
        """Say whether the next backward pass is the last of the step: gradients are averaged then."""
        ...

    def hand_over(self) -> None:
        """Give the gradients of the whole batch to the parameters that the optimizer steps."""
        ...

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return what this process holds of the parameters, as the optimizer steps them."""
        ...

    def clip(self, largest: float) -> Tensor:
        """Scale the gradients of all parameters down to a norm, and return what it was."""
        ...

    def whole(self, tensors: Mapping[str, Tensor]) -> Tensors:
        """Return tensors of the network or the optimizer in full, in every process."""
        ...

    def held(self, tensors: Mapping[str, Tensor]) -> Tensors:
        """Return what this process holds of the network's tensors."""
        ...


def spread(job: Job, optimizer: AdamW | SGD | Muon, team: Team) -> Job:
    """Return a job that has its first weights, or those of a checkpoint, spread over a team."""
    _refuse(job)
    team.begin_on(job.hardware.device)
    share_norms(job.network, team.group(job.hardware.device))
    if not job.settings.shard:
        return replace(job, spread=Replicated(job.network, team))
    return _sharded(job, optimizer, team)


def _refuse(job: Job) -> None:
    if isinstance(job.network, Filled):
        raise UsageError("this model is filled by one pass over the rows: several processes have no effect, use one")
    if job.task.compares_rows:
        raise UsageError(
            "this loss compares the rows of a batch with one another, and each process sees only its own: "
            "train in one process, or choose another task.loss"
        )
    if isinstance(job.network, Refitted) and job.settings.shard:
        raise UsageError(
            "train.shard: this model is refitted to all rows, which needs all of its weights: leave it out"
        )


class Replicated:
    """DistributedDataParallel around the network.

    With `find_unused_parameters` a weight that the loss does not reach is no error, and the buckets of gradients stay
    as they are from the first step on, so that a resumed run adds up in the same order.
    """

    def __init__(self, network: nn.Module, team: Team) -> None:
        self.team = team
        self._network = network
        group = team.group(next(network.parameters()).device)
        wrap = nn.parallel.DistributedDataParallel
        # Buffers are functions of the whole batch: they are the same everywhere and need not be sent around.
        wrap._set_params_and_buffers_to_ignore_for_model(network, [name for name, _ in network.named_buffers()])
        self._wrapped = wrap(network, process_group=group, find_unused_parameters=True)

    def __call__(self, inputs: Tensors) -> Tensor:
        """See Spread."""
        out: Tensor = self._wrapped(inputs)
        return out

    def exchange(self, is_last: bool) -> None:
        """See Spread."""
        self._wrapped.require_backward_grad_sync = is_last

    def hand_over(self) -> None:
        """See Spread: they are there."""

    def parameters(self) -> dict[str, nn.Parameter]:
        """See Spread."""
        return dict(self._network.named_parameters())

    def clip(self, largest: float) -> Tensor:
        """See Spread."""
        return nn.utils.clip_grad_norm_(self._network.parameters(), largest)

    def whole(self, tensors: Mapping[str, Tensor]) -> Tensors:
        """See Spread."""
        return dict(tensors)

    def held(self, tensors: Mapping[str, Tensor]) -> Tensors:
        """See Spread."""
        return dict(tensors)


class Sharded:
    """`fully_shard` on the network: each parameter is cut along its first axis.

    The optimizer works on plain parameters that share their memory with the parts held here.
    """

    def __init__(self, network: nn.Module, team: Team, mesh: Any) -> None:
        self.team = team
        self._network, self._mesh = network, mesh
        _shard(network, mesh)
        self._cut = dict(network.named_parameters())
        self._parts = {
            name: nn.Parameter(_local(parameter.detach()), requires_grad=parameter.requires_grad)
            for name, parameter in self._cut.items()
        }

    def __call__(self, inputs: Tensors) -> Tensor:
        """See Spread."""
        out: Tensor = self._network(inputs)
        return out

    def exchange(self, is_last: bool) -> None:
        """See Spread."""
        self._network.set_requires_gradient_sync(is_last)  # type: ignore[operator]

    def hand_over(self) -> None:
        """See Spread."""
        for name, cut in self._cut.items():
            if cut.grad is not None:
                self._parts[name].grad, cut.grad = _local(cut.grad), None

    def parameters(self) -> dict[str, nn.Parameter]:
        """See Spread."""
        return self._parts

    def clip(self, largest: float) -> Tensor:
        """See Spread."""
        parts = list(self._parts.values())
        own = nn.utils.get_total_norm([part.grad for part in parts if part.grad is not None])
        norm = self.team.total(own.square()).sqrt()
        nn.utils.clip_grads_with_norm_(parts, largest, norm)
        return norm

    def whole(self, tensors: Mapping[str, Tensor]) -> Tensors:
        """See Spread: the optimizer's parts are named `<parameter>.<slot>`."""
        return {name: self._full(name, tensor) for name, tensor in tensors.items()}

    def held(self, tensors: Mapping[str, Tensor]) -> Tensors:
        """See Spread."""
        return {name: _local(tensor) for name, tensor in tensors.items()}

    def part_of(self, name: str, tensor: Tensor) -> Tensor:
        """Return the part that this process holds of a full tensor of the optimizer."""
        from torch.distributed.tensor import distribute_tensor

        cut = self._owner(name, tensor)
        if cut is None:
            return tensor
        whole = tensor.to(cut.device)
        return _local(distribute_tensor(whole, self._mesh, cut.placements, src_data_rank=None))  # type: ignore[attr-defined]

    def _owner(self, name: str, tensor: Tensor) -> nn.Parameter | None:
        """Return the parameter that a tensor of the optimizer is cut like; None for a count of steps."""
        return self._cut[name.rpartition(".")[0]] if tensor.ndim else None

    def _full(self, name: str, tensor: Tensor) -> Tensor:
        from torch.distributed.tensor import DTensor

        if not isinstance(tensor, DTensor) and name not in self._network.state_dict():
            cut = self._owner(name, tensor)
            if cut is not None:
                placements = cut.placements  # type: ignore[attr-defined]
                tensor = DTensor.from_local(
                    tensor, self._mesh, placements, run_check=False, shape=cut.shape, stride=cut.stride()
                )
        return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _sharded(job: Job, optimizer: AdamW | SGD | Muon, team: Team) -> Job:
    from torch.distributed.device_mesh import DeviceMesh

    device = job.hardware.device
    mesh = DeviceMesh.from_group(team.group(device), device.type)
    network, average = job.network, job.average
    full = job.optimizer.state()
    shards = Sharded(network, team, mesh)
    if average:
        _shard(average.network, mesh)
        average.follow(network, _local)
    stepping = optimizers.build_for(optimizer, {n: p for n, p in shards.parameters().items() if p.requires_grad})
    with torch.no_grad():
        for name, part in stepping.state().items():
            part.copy_(shards.part_of(name, full[name]))
    return replace(job, optimizer=stepping, spread=shards)


def _shard(network: nn.Module, mesh: Any) -> None:
    """Cut a network's parameters: those of each repeated layer as one group, the others as another."""
    from torch.distributed.fsdp import fully_shard

    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for module in list(network.modules()):
        if isinstance(module, nn.ModuleList) and len({type(layer) for layer in module}) == 1 and len(module) > 1:
            for layer in module:
                if not isinstance(layer, nn.ModuleList | nn.ModuleDict) and next(layer.parameters(), None) is not None:
                    fully_shard(layer, mesh=mesh)
    fully_shard(network, mesh=mesh)


def _local(tensor: Tensor) -> Tensor:
    from torch.distributed.tensor import DTensor

    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
